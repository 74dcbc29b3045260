# Once for each account: the bucket in which every other folder keeps its state. This folder keeps its own in a file,
# because there is no bucket yet; commit nothing of it, and import the bucket should the file ever be lost.

provider "aws" {
  region = var.region
}

module "state" {
  source = "../modules/storage"

  name                   = var.name
  tags                   = var.tags
  purpose                = "state"
  drives_prefix          = var.bucket_prefix
  encryption             = var.encryption
  keep_old_versions_days = 90
  destroy_with_contents  = var.destroy_with_contents
}
