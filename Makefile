# The commands of this repository. `make test` is all a change has to pass.

.PHONY: test parts test-real test-cluster check

# Unit tests, architecture, case files, integration through a real Envoy, a real oidc-provider and grpcurl.
test: parts
	@tests/parts/test.sh

# Installs the real parts below target/parts, once; nothing outside the clone is touched.
parts:
	@tests/parts/install.sh

# Opt-in: tokens of a real Keycloak and a real OpenAM, started on loopback (Java 17, Maven; 2 GB of memory, a few minutes).
test-real: parts
	@tests/real/run.sh

# Opt-in: a real kube-apiserver with etcd takes every manifest of deploy/ by server-side dry-run (kubectl; its build takes ten
# minutes of one core, once).
test-cluster: parts
	@tests/cluster/install.sh
	@tests/cluster/run.sh

# What a reviewer looks at before reading: form, lints, documentation.
check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
