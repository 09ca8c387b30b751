//! What does `keyward dev` configure? An ordinary configuration and users file, written where anyone can read and change them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::DevError;

/// The client by which Keyward asks the embedded authorization server. No secret: it opens nothing but this program.
pub const CLIENT_ID: &str = "keyward-dev";
/// Its secret.
pub const CLIENT_SECRET: &str = "dev-secret";

/// How long Keyward remembers an answer here: short, so that a revocation can be watched.
pub const CACHE_SECONDS: u64 = 2;

const USERS: &str = "\
# Users by collection. `keyward dev` wrote this file; change it and start again with `--dir`.
managed/user:
  - { _id: alice, accountStatus: active, mail: alice@example.com, authzRoles: [internal/role/clerk] }
  - { _id: bob, accountStatus: active, mail: bob@example.com, authzRoles: [] }
  - { _id: carol, accountStatus: inactive, mail: carol@example.com, authzRoles: [internal/role/clerk] }
";

/// Where the configuration says that everything is.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// `listen.extAuthz`.
    pub ext_authz: SocketAddr,
    /// `listen.admin`.
    pub admin: SocketAddr,
    /// The embedded authorization server.
    pub authorization_server: SocketAddr,
}

/// The directory that `keyward dev` writes into; a temporary one goes with this value.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Directory {
    /// `path`, made where it does not exist; else a temporary one that only this user can read.
    ///
    /// # Errors
    /// [`DevError::File`].
    pub fn new(path: Option<&Path>) -> Result<Self, DevError> {
        let Some(path) = path else {
            let temporary = tempfile::Builder::new().prefix("keyward-dev-").tempdir();
            let temporary = temporary.map_err(|source| DevError::File { path: std::env::temp_dir(), source })?;
            return Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let absolute = fs::create_dir_all(path).and_then(|()| path.canonicalize());
        let path = absolute.map_err(|source| DevError::File { path: path.to_owned(), source })?;
        Ok(Self { path, _temporary: None })
    }

    /// Where it is; absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes the configuration, the users file and the client's secret; a users file that is there stays as it is.
    ///
    /// Returns the path of the configuration.
    ///
    /// # Errors
    /// [`DevError::File`].
    pub fn write_configuration(&self, addresses: &Addresses, audit: bool) -> Result<PathBuf, DevError> {
        let users = self.file("users.yaml");
        match fs::File::create_new(&users).and_then(|mut file| io::Write::write_all(&mut file, USERS.as_bytes())) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(DevError::File { path: users, source });
            }
            _ => {}
        }
        let secret = self.write("client-secret", CLIENT_SECRET)?;
        self.write("keyward.yaml", &configuration(addresses, &secret, &users, audit))
    }

    /// Writes a request as grpcurl takes it.
    ///
    /// # Errors
    /// [`DevError::File`].
    pub fn write_json(&self, name: &str, value: &Value) -> Result<PathBuf, DevError> {
        self.write(name, &format!("{value:#}\n"))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, DevError> {
        let path = self.file(name);
        fs::write(&path, text).map_err(|source| DevError::File { path: path.clone(), source })?;
        Ok(path)
    }
}

/// JSON texts are YAML texts: so that no path needs an escape of its own.
fn configuration(addresses: &Addresses, secret: &Path, users: &Path, audit: bool) -> String {
    let Addresses { ext_authz, admin, authorization_server } = addresses;
    let (secret, users) = (json!(secret.to_string_lossy()), json!(users.to_string_lossy()));
    let audit = if audit { "stdout" } else { "off" };
    format!(
        "\
# `keyward dev` wrote this file. It is an ordinary configuration: `keyward serve --config` takes it too.
listen:
  extAuthz: {ext_authz}
  admin: {admin}
rsFilter:
  clientId: {CLIENT_ID}
  clientSecret: {{ file: {secret} }}
  tokenIntrospectUrl: http://{authorization_server}/introspect
  cache: {{ maxTimeout: {CACHE_SECONDS} seconds }}
  subjectMapping:
    - queryOnResource: managed/user
      propertyMapping: {{ sub: _id }}
      userRoles: authzRoles/*
      additionalUserFields: [mail]
      defaultRoles: [internal/role/openidm-authorized]
  anonymousUserMapping: {{ localUser: internal/user/anonymous, roles: [internal/role/openidm-reg] }}
directory:
  file: {users}
access:
  rules:
    - {{ name: public, pattern: /public/*, roles: \"*\", methods: [GET] }}
    - {{ name: orders, pattern: /orders/*, roles: [internal/role/clerk], methods: [GET] }}
    - {{ name: admin, pattern: /admin/*, roles: [internal/role/admin], methods: \"*\" }}
identityHeaders:
  x-auth-id: authorization.id
  x-auth-roles: authorization.roles
audit: {{ to: {audit} }}
"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Addresses, Directory, USERS};

    fn addresses() -> Addresses {
        let [ext_authz, admin, authorization_server] = [9191, 9902, 9400].map(|port| ([127, 0, 0, 1], port).into());
        Addresses { ext_authz, admin, authorization_server }
    }

    #[test]
    fn a_temporary_directory_goes_and_a_named_one_stays() {
        let temporary = Directory::new(None).unwrap();
        let path = temporary.path().to_owned();
        temporary.write_configuration(&addresses(), true).unwrap();
        drop(temporary);
        assert!(!path.exists());
        let parent = tempfile::tempdir().unwrap();
        let named = parent.path().join("a/b");
        Directory::new(Some(&named)).unwrap().write_configuration(&addresses(), true).unwrap();
        assert!(named.join("keyward.yaml").exists());
    }

    #[test]
    fn users_that_someone_changed_are_kept() {
        let parent = tempfile::tempdir().unwrap();
        let directory = Directory::new(Some(parent.path())).unwrap();
        let users = directory.file("users.yaml");
        directory.write_configuration(&addresses(), true).unwrap();
        assert_eq!(fs::read_to_string(&users).unwrap(), USERS);
        fs::write(&users, "managed/user: []\n").unwrap();
        directory.write_configuration(&addresses(), true).unwrap();
        assert_eq!(fs::read_to_string(&users).unwrap(), "managed/user: []\n");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Directory::new(Some(&file.join("below"))).unwrap_err().to_string();
        assert!(error.contains("below"), "{error}");
    }
}
