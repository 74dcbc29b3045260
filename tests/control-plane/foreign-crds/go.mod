// Other projects' CRDs that the tests install. Nothing here is compiled: build.sh copies the YAML out of the modules
// (`go mod tidy` would remove them). cert-manager's come from ../cert-manager, so that they match its controller. External
// Secrets' come from both: v1 from here, and v1beta1 from the module of the operator that runs.
module ras.dev/control-plane/foreign-crds

go 1.26.0

require (
	github.com/cloudnative-pg/cloudnative-pg v1.27.0
	github.com/external-secrets/external-secrets v1.3.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
