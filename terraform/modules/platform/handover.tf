# The hand-over: what the operator's `--platform-config` reads. Everything in it is written out, nothing is left to
# defaults of the reader, except what Terraform cannot know.

data "aws_region" "current" {}

locals {
  # An operator that reads another version says so in a sentence, before it judges a field.
  platform_version = "ras.dev/platform/v1"

  platform = { for key, value in {
    apiVersion       = local.platform_version
    operatorImage    = var.operator_image
    imagePullSecrets = length(var.image_pull_secrets) > 0 ? var.image_pull_secrets : null
    ingress = { for key, value in {
      className           = var.ingress.class_name
      annotations         = length(var.ingress.annotations) > 0 ? var.ingress.annotations : null
      controllerNamespace = var.ingress.controller_namespace
      issuerKind          = var.ingress.issuer_kind
    } : key => value if value != null }
    storage = { className = var.storage_class_name }
    monitoring = { for key, value in {
      namespace = var.monitoring.namespace
      labels    = length(var.monitoring.labels) > 0 ? var.monitoring.labels : null
    } : key => value if value != null }
    objectStore = {
      region       = data.aws_region.current.region
      bucketPrefix = local.bucket_prefix
      programs = {
        # A service that restricts its egress must still reach S3, and the Pod Identity agent on its node for the
        # credentials to use it with.
        cidrs = concat(sort(module.network.s3_cidrs), ["169.254.170.23/32"])
      }
    }
  } : key => value if value != null }

  storage_class = {
    apiVersion = "storage.k8s.io/v1"
    kind       = "StorageClass"
    metadata = {
      name        = var.storage_class_name
      annotations = { "storageclass.kubernetes.io/is-default-class" = "true" }
    }
    provisioner          = module.cluster.volume_provisioner
    parameters           = { type = "gp3", encrypted = "true" }
    reclaimPolicy        = "Delete"
    allowVolumeExpansion = true
    # A disk lives in one zone: wait until it is known where its pod runs.
    volumeBindingMode = "WaitForFirstConsumer"
  }
}
