//! A load sees one version of each file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::env;
use crate::config::parse_as;
use crate::config::sources::Snapshot;

/// Version after version of an `access.js`: each grants by a function of its own.
fn access_js(version: usize) -> String {
    format!(
        "var httpAccessConfig = {{ configs: [ {{ pattern: 'info/*', roles: '*', methods: 'read', actions: '*', \
         customAuthz: 'mayVersion{version}()' }} ] }};\nfunction mayVersion{version}() {{ return true; }}\n"
    )
}

#[test]
fn a_file_that_changes_while_it_is_loaded_is_of_one_version_throughout() {
    let text = "\
accessFile: script/access.js
rsFilter:
  clientId: a
  clientSecret: { file: secret }
  tokenIntrospectUrl: https://am.example/introspect
  anonymousUserMapping: { localUser: internal/user/anonymous }
  augmentSecurityContext: { type: text/javascript, file: script/access.js }
directory: { idm: { url: https://idm.example/openidm, auth: { headers: { username: k, password: { file: secret } } } } }
";
    let reads: RefCell<BTreeMap<PathBuf, usize>> = RefCell::default();
    let disk = |path: &Path| {
        let mut reads = reads.borrow_mut();
        let read = reads.entry(path.to_owned()).or_default();
        *read += 1;
        Ok(if path.ends_with("secret") { b"s3cret".to_vec() } else { access_js(*read).into_bytes() })
    };
    let attempt = parse_as(text, "keyward.yaml", Path::new("/conf"), &env(&[]), false, Snapshot::of(&disk));
    let loaded = attempt.loaded.unwrap_or_else(|problems| panic!("{problems}"));
    let expected = [("/conf/script/access.js".into(), 1), ("/conf/secret".into(), 1)];
    assert_eq!(*reads.borrow(), BTreeMap::from(expected));
    let access = &loaded.config.filters[0].access;
    assert_eq!(access.rules[0].custom_authz.as_deref(), Some("mayVersion1()"));
    assert!(!access.library.is_none(), "the functions of the same version");
    assert_eq!(loaded.sources.len(), 2, "each file once: {:?}", loaded.sources);
}

#[test]
fn a_file_that_appears_while_it_is_looked_for_is_missing_throughout() {
    let reads = RefCell::new(0);
    let disk = |_: &Path| {
        *reads.borrow_mut() += 1;
        if *reads.borrow() > 1 { Ok(b"s3cret".to_vec()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    };
    let mut files = Snapshot::of(&disk);
    assert_eq!(files.read(Path::new("a")), Err("does not exist".to_owned()));
    assert_eq!(files.read(Path::new("a")), Err("does not exist".to_owned()));
    assert_eq!(files.into_sources().paths().collect::<Vec<_>>(), [Path::new("a")], "it is waited for");
}
