mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name               = "campus"
  zones              = ["ap-south-1a", "ap-south-1b"]
  kubernetes_version = "1.36"
  administrators     = { platform = "arn:aws:iam::111122223333:role/platform" }
  drives             = { spo = ["placements-2026"] }
  addon_versions = {
    vpc-cni                = "v1.22.3-eksbuild.1"
    kube-proxy             = "v1.36.0-eksbuild.13"
    coredns                = "v1.14.3-eksbuild.3"
    aws-ebs-csi-driver     = "v1.63.1-eksbuild.1"
    eks-pod-identity-agent = "v1.3.10-eksbuild.3"
    metrics-server         = "v0.8.1-eksbuild.11"
  }
}

run "the_hand_over_says_which_version_it_is" {
  assert {
    condition     = yamldecode(output.platform_yaml).apiVersion == "ras.dev/platform/v1"
    error_message = output.platform_yaml
  }
}

run "the_hand_over_names_the_store_that_the_roles_are_bounded_to" {
  variables {
    bucket_prefix = "campus-a"
  }
  assert {
    condition = yamldecode(output.platform_yaml).objectStore == {
      region       = "ap-south-1"
      bucketPrefix = "campus-a"
      programs     = { cidrs = ["3.5.208.0/22", "52.219.64.0/22", "169.254.170.23/32"] }
    }
    error_message = output.platform_yaml
  }
  assert {
    condition     = strcontains(output.operator_policy, "arn:aws:s3:::campus-a-*") && strcontains(output.drives_policy, "arn:aws:s3:::campus-a-$${aws:PrincipalTag/kubernetes-namespace}-*")
    error_message = "the settings and the roles name different prefixes"
  }
}

run "what_is_not_said_is_left_to_the_operator" {
  assert {
    condition     = tolist(keys(yamldecode(output.platform_yaml))) == tolist(["apiVersion", "ingress", "monitoring", "objectStore", "storage"])
    error_message = output.platform_yaml
  }
}

run "what_is_said_is_handed_over" {
  variables {
    operator_image     = "registry.example.com/ras-operator:0.1.0"
    image_pull_secrets = ["registry"]
    ingress            = { class_name = "traefik", controller_namespace = "traefik", annotations = { a = "b" }, issuer_kind = "Issuer" }
    monitoring         = { namespace = "monitoring", labels = { release = "prometheus" } }
    storage_class_name = "fast"
  }
  assert {
    condition = { for key, value in yamldecode(output.platform_yaml) : key => value if key != "objectStore" } == {
      apiVersion       = "ras.dev/platform/v1"
      operatorImage    = "registry.example.com/ras-operator:0.1.0"
      imagePullSecrets = ["registry"]
      ingress          = { className = "traefik", controllerNamespace = "traefik", annotations = { a = "b" }, issuerKind = "Issuer" }
      monitoring       = { namespace = "monitoring", labels = { release = "prometheus" } }
      storage          = { className = "fast" }
    }
    error_message = output.platform_yaml
  }
}

run "the_storage_class_that_is_named_is_encrypted_and_waits_for_its_pod" {
  assert {
    condition     = yamldecode(output.storage_class_yaml).metadata.name == yamldecode(output.platform_yaml).storage.className && yamldecode(output.storage_class_yaml).parameters.encrypted == "true" && yamldecode(output.storage_class_yaml).volumeBindingMode == "WaitForFirstConsumer"
    error_message = output.storage_class_yaml
  }
}

run "without_a_database_and_backups_none_are_made" {
  assert {
    condition     = output.database == null && output.backup_bucket == null
    error_message = "something was made that nobody asked for"
  }
}

run "the_database_s_secret_is_named_and_not_told" {
  variables {
    database = {}
  }
  assert {
    condition     = startswith(output.database.master_secret_arn, "arn:aws:secretsmanager:") && tolist(keys(output.database)) == tolist(["address", "master_secret_arn", "port", "username"])
    error_message = jsonencode(output.database)
  }
}

run "a_backup_bucket_within_the_operator_s_reach_is_refused" {
  command = plan
  variables {
    bucket_prefix = "campus"
    backup        = {}
  }
  expect_failures = [var.backup]
}

run "an_image_without_a_version_is_refused" {
  command = plan
  variables {
    operator_image = "registry.example.com/ras-operator"
  }
  expect_failures = [var.operator_image]
}

run "snippets_in_annotations_are_refused" {
  command = plan
  variables {
    ingress = { annotations = { "nginx.ingress.kubernetes.io/server-snippet" = "x" } }
  }
  expect_failures = [var.ingress]
}

run "labels_that_the_operator_lives_by_are_refused" {
  command = plan
  variables {
    monitoring = { labels = { "ras.dev/drive" = "x" } }
  }
  expect_failures = [var.monitoring]
}

run "a_storage_class_that_kubernetes_cannot_have_is_refused" {
  command = plan
  variables {
    storage_class_name = "GP3"
  }
  expect_failures = [var.storage_class_name]
}

run "a_pull_secret_that_kubernetes_cannot_have_is_refused" {
  command = plan
  variables {
    image_pull_secrets = ["Registry"]
  }
  expect_failures = [var.image_pull_secrets]
}

run "a_destroy_that_is_said_once_takes_nothing_away" {
  assert {
    condition     = aws_cloudwatch_log_group.guard.deletion_protection_enabled
    error_message = "the first thing that a destroy takes does not refuse"
  }
}

run "a_destroy_that_is_said_twice_is_let_through" {
  variables {
    protect  = false
    database = {}
  }
  assert {
    condition     = !aws_cloudwatch_log_group.guard.deletion_protection_enabled
    error_message = "it would refuse for ever"
  }
}
