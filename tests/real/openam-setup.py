#!/usr/bin/env python3
"""Gives a fresh OpenAM (start-openam.sh) an OAuth 2.0 provider, clients and a user.  usage: openam-setup.py BASE_URL ADMIN_PASSWORD"""
import json, sys, urllib.error, urllib.request

BASE, PASSWORD = sys.argv[1].rstrip('/'), sys.argv[2]


def http(method, path, headers, body):
    request = urllib.request.Request(BASE + path, data=body, method=method, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        sys.exit(f'{method} {path}: {error.code} {error.read()[:400]}')
    return json.loads(response.read())


def am(method, path, body, version='protocol=1.0'):
    headers = {'iPlanetDirectoryPro': SESSION, 'Content-Type': 'application/json', 'Accept-API-Version': version}
    return http(method, '/json/' + path, headers, json.dumps(body).encode())


SESSION = http('POST', '/json/authenticate', {'Content-Type': 'application/json', 'Accept-API-Version': 'resource=2.0, protocol=1.0',
               'X-OpenAM-Username': 'amadmin', 'X-OpenAM-Password': PASSWORD}, b'{}')['tokenId']

provider = am('POST', 'realm-config/services/oauth-oidc?_action=template', {})
provider['coreOAuth2Config'].update(statelessTokensEnabled=False, accessTokenLifetime=3600)
provider['advancedOAuth2Config'].update(supportedScopes=['fr:idm:*', 'profile'], defaultScopes=[], codeVerifierEnforced=False)
for section in provider.values():
    if isinstance(section, dict):
        for name in [name for name, value in section.items() if value is None]:
            del section[name]
am('POST', 'realm-config/services/oauth-oidc?_action=create', provider)

P = 'com.forgerock.openam.oauth2provider.'
for client, secret in [('app1', 'app1secret'), ('other-rs', 'othersecret'), ('example.com', 's=cr%t'), ('umlaut', 'pä')]:
    am('POST', 'realm-config/agents/OAuth2Client?_action=create', {
        '_id': client, 'userpassword': secret, P + 'clientType': 'Confidential', P + 'scopes': ['[0]=fr:idm:*', '[1]=profile'],
        P + 'tokenEndPointAuthMethod': 'client_secret_basic', 'sunIdentityServerDeviceStatus': 'Active', 'isConsentImplied': True,
        P + 'redirectionURIs': ['[0]=http://127.0.0.1:1/cb'], P + 'responseTypes': ['[0]=code', '[1]=token']})
am('POST', 'users?_action=create', {'username': 'bob', 'userpassword': 'Passw0rd.user', 'mail': 'bob@example.com', 'givenName': 'bob',
                                    'sn': 'Test'}, 'protocol=1.0,resource=2.0')
print('set up')
