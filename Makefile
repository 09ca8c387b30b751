# The commands of this repository. `make test` is all a change has to pass.

.PHONY: test parts test-real test-cluster check image sbom

# Unit tests, architecture, case files, integration through a real Envoy, a real oidc-provider and grpcurl.
test: parts
	@tests/parts/test.sh

# Installs the real parts below target/parts, once; nothing outside the clone is touched.
parts:
	@tests/parts/install.sh

# Opt-in: tokens of a real Keycloak and a real OpenAM, started on loopback (Java 17, Maven; 2 GB of memory, a few minutes).
test-real: parts
	@tests/real/run.sh

# Opt-in: a real kube-apiserver takes every manifest of deploy/ by server-side dry-run; a real Istio control plane and a real Envoy
# Gateway make a real Envoy ask Keyward as the files of deploy/ say (kubectl, jq, user namespaces; the builds take half an hour
# of one core, once).
test-cluster: parts
	@tests/cluster/install.sh
	@tests/cluster/run.sh

# Opt-in: the image as it is released, in target/keyward.oci.tar. Its static program is built by this machine's Rust and musl
# (Debian: musl-tools; minutes), held to the same claims as the test's, and nothing is pulled.
image: export KEYWARD_IMAGE_CONTEXT = $(CURDIR)/target/image-context
image: export COMMIT = $(shell git rev-parse HEAD)
image: parts
	deploy/image.sh $(KEYWARD_IMAGE_CONTEXT)
	cargo test --locked --test it image::
	buildah --storage-driver vfs --root target/image-store --runroot target/image-store/run bud --isolation chroot --timestamp 0 \
	  --build-context build=$(KEYWARD_IMAGE_CONTEXT) --build-arg COMMIT=$(COMMIT) --target runtime -f deploy/Dockerfile -t keyward .
	rm -f target/keyward.oci.tar
	buildah --storage-driver vfs --root target/image-store --runroot target/image-store/run push keyward oci-archive:target/keyward.oci.tar

# Opt-in: what the image's program is made of, as CycloneDX; needs cargo-cyclonedx (cargo install --locked cargo-cyclonedx@0.5.9).
sbom:
	cargo cyclonedx --format json --no-default-features --target $(shell uname -m)-unknown-linux-musl --override-filename keyward.cdx
	mv keyward.cdx.json target/

# What a reviewer looks at before reading: form, lints, documentation.
check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
