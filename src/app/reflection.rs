//! How does a client without proto files learn what we speak? By gRPC reflection, in both of its versions.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

use crate::admin;

/// The descriptor set of `envoy.service.auth.v3.Authorization` with all its imports, without source information:
/// what `grpcurl -protoset` takes.
pub const EXT_AUTHZ_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ext_authz.descriptors.bin"));

/// Adds the reflection services, `v1` and `v1alpha`, which tell of ext_authz, health and themselves.
///
/// # Errors
/// When a descriptor set cannot be read; all of them are part of the binary, so this is a broken build.
pub fn add_to(routes: Routes) -> Result<Routes, Error> {
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}

/// Adds the reflection services, which tell of the admin API and themselves.
///
/// # Errors
/// As [`add_to`].
pub fn add_to_admin(routes: Routes) -> Result<Routes, Error> {
    let builder = || reflection().register_encoded_file_descriptor_set(admin::api::DESCRIPTORS);
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}

fn builder() -> Builder<'static> {
    reflection()
        .register_encoded_file_descriptor_set(EXT_AUTHZ_DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn reflection() -> Builder<'static> {
    // Each version tells of the other too: clients ask for either and list what they find.
    Builder::configure()
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn the_descriptors_are_whole_and_carry_no_comments() {
        let set = FileDescriptorSet::decode(EXT_AUTHZ_DESCRIPTORS).unwrap();
        let names: Vec<_> = set.file.iter().map(|file| file.name().to_owned()).collect();
        for file in &set.file {
            assert!(file.source_code_info.is_none(), "{}", file.name());
            assert!(file.dependency.iter().all(|import| names.contains(import)), "{}", file.name());
        }
        assert!(names.iter().any(|name| name == "envoy/service/auth/v3/external_auth.proto"), "{names:?}");
    }
}
