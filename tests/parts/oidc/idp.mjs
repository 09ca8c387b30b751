// The authorization server of the tests: a real one (`oidc-provider`), with client credentials, introspection and revocation.
// usage: node idp.mjs     Prints `ready http://127.0.0.1:PORT` and runs until its standard input is closed.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
  const provider = new Provider(issuer, {
    clients: [
      { client_id: 'shop', client_secret: 'shop-secret', ...machine },
      { client_id: 'mesh-rs', client_secret: 'rs p%+:secret', ...machine },
    ],
    scopes: ['orders', 'reports'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
    },
    ttl: { ClientCredentials: 3600 },
    // Such a token has no `sub` of its own; what follows is what the tests' configurations map.
    extraTokenClaims: async (_context, token) => ({
      sub: `(age!${token.clientId})`,
      realm: '/alpha',
      roles: ['clerk'],
    }),
  });
  provider.on('server_error', (_context, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(`ready ${issuer}`);
});

process.stdin.resume().on('end', () => process.exit(0));
