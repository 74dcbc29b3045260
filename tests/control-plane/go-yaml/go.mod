module ras.dev/control-plane/go-yaml

go 1.26.0

require sigs.k8s.io/yaml v1.4.0
