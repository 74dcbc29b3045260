// Other projects' CRDs that the tests install. Nothing here is compiled: build.sh copies the YAML out of the modules
// (`go mod tidy` would remove them). cert-manager's come from ../cert-manager, so that they match its controller.
module ras.dev/control-plane/foreign-crds

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
