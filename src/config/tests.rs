//! What a configuration means, and what is said about a wrong one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Config, Loaded, load};
use crate::introspection::settings::MaxTimeout;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn product() -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/product/keyward.yaml");
    load(&path, &env(&[("IDM_CLIENT", "s3cret-of-idm")])).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_product_sheet_s_example_loads() {
    let Loaded { config: Config { filters, .. }, warnings, sources } = product();
    assert_eq!(warnings, []);
    assert_eq!(sources.len(), 2);
    let filter = &filters[0];
    assert_eq!(filter.name, "default");
    assert_eq!(filter.introspection.client_secret.expose(), "s3cret-of-am");
    assert_eq!(filter.introspection.cache.max_timeout, MaxTimeout::AtMost(Duration::from_secs(300)));
    assert_eq!(filter.access.rules.len(), 1);
}
