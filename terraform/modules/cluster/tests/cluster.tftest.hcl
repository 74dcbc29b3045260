mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name               = "campus"
  kubernetes_version = "1.36"
  subnet_ids         = ["subnet-0a", "subnet-0b"]
  administrators     = { platform = "arn:aws:iam::111122223333:role/platform" }
  addon_versions = {
    vpc-cni                = "v1.22.3-eksbuild.1"
    kube-proxy             = "v1.36.0-eksbuild.13"
    coredns                = "v1.14.3-eksbuild.3"
    aws-ebs-csi-driver     = "v1.63.1-eksbuild.1"
    eks-pod-identity-agent = "v1.3.10-eksbuild.3"
    metrics-server         = "v0.8.1-eksbuild.11"
  }
}

run "without_networks_the_api_has_no_public_address" {
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].endpoint_private_access
    error_message = "the API can be reached from outside"
  }
}

run "named_networks_and_no_others_reach_the_api" {
  variables {
    public_access_cidrs = ["203.0.113.0/24"]
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["203.0.113.0/24"])
    error_message = "the API is open to others than asked"
  }
}

run "secrets_are_encrypted_with_a_key_of_our_own_that_rotates" {
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"]) && aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == aws_kms_key.secrets.arn && aws_kms_key.secrets.enable_key_rotation
    error_message = "Secrets are not encrypted as promised"
  }
}

run "who_ran_terraform_is_no_administrator_by_accident" {
  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "there is a way in that no file names"
  }
  assert {
    condition     = length(aws_eks_access_entry.admin) == 1 && endswith(aws_eks_access_policy_association.admin["platform"].policy_arn, "AmazonEKSClusterAdminPolicy")
    error_message = "the administrator who was named is none"
  }
}

run "the_log_group_is_ours_and_ends" {
  assert {
    condition     = aws_cloudwatch_log_group.control_plane.name == "/aws/eks/campus/cluster" && aws_cloudwatch_log_group.control_plane.retention_in_days == 30
    error_message = "EKS would make a log group of its own"
  }
  assert {
    condition     = contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit")
    error_message = "nobody could tell who did what"
  }
}

run "every_addon_is_there_and_pinned" {
  assert {
    condition     = jsonencode({ for name, addon in merge(aws_eks_addon.before_nodes, aws_eks_addon.after_nodes) : name => addon.addon_version }) == jsonencode(var.addon_versions)
    error_message = "an add-on is missing or moves by itself"
  }
}

run "network_policies_are_enforced" {
  assert {
    condition     = jsondecode(aws_eks_addon.before_nodes["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "drives' network policies would be decoration"
  }
}

run "pods_cannot_borrow_the_node_s_role" {
  assert {
    condition     = aws_launch_template.node[0].metadata_options[0].http_tokens == "required" && aws_launch_template.node[0].metadata_options[0].http_put_response_hop_limit == 1
    error_message = "the instance's metadata can be reached from pods"
  }
}

run "disks_of_nodes_are_encrypted" {
  assert {
    condition     = tobool(aws_launch_template.node[0].block_device_mappings[0].ebs[0].encrypted)
    error_message = "a node's disk is readable by whoever gets a snapshot of it"
  }
}

run "the_volume_driver_alone_may_wear_its_role" {
  assert {
    condition     = jsondecode(aws_iam_role.ebs[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-service-account"] == "ebs-csi-controller-sa"
    error_message = "any pod could ask for it"
  }
}

run "a_destroy_is_refused_until_told_twice" {
  assert {
    condition     = aws_eks_cluster.this.deletion_protection
    error_message = "one command would take the cluster away"
  }
}

run "an_upgrade_that_is_forgotten_is_no_bill" {
  assert {
    condition     = aws_eks_cluster.this.upgrade_policy[0].support_type == "STANDARD"
    error_message = "extended support begins by itself"
  }
}

run "auto_mode_has_no_node_group_and_only_metrics_server" {
  variables {
    compute        = "auto"
    addon_versions = { metrics-server = "v0.8.1-eksbuild.11" }
  }
  assert {
    condition     = length(aws_eks_node_group.this) == 0 && tolist(keys(aws_eks_addon.after_nodes)) == tolist(["metrics-server"]) && length(aws_eks_addon.before_nodes) == 0
    error_message = "Auto Mode brings the rest itself"
  }
  assert {
    condition     = aws_eks_cluster.this.compute_config[0].enabled && aws_eks_cluster.this.storage_config[0].block_storage[0].enabled && aws_eks_cluster.this.kubernetes_network_config[0].elastic_load_balancing[0].enabled
    error_message = "EKS wants the three together"
  }
  assert {
    condition     = output.volume_provisioner == "ebs.csi.eks.amazonaws.com"
    error_message = "volumes of Auto Mode have a driver of their own"
  }
}

run "an_endpoint_that_is_open_to_everybody_is_refused" {
  command = plan
  variables {
    public_access_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.public_access_cidrs]
}

run "a_network_that_is_none_is_refused" {
  command = plan
  variables {
    public_access_cidrs = ["campus"]
  }
  expect_failures = [var.public_access_cidrs]
}

run "a_version_that_the_operator_is_not_tested_with_is_refused" {
  command = plan
  variables {
    kubernetes_version = "1.30"
  }
  expect_failures = [var.kubernetes_version]
}

run "a_kube_proxy_of_another_version_is_refused" {
  command = plan
  variables {
    kubernetes_version = "1.35"
  }
  expect_failures = [var.addon_versions]
}

run "an_addon_that_moves_by_itself_is_refused" {
  command = plan
  variables {
    addon_versions = {
      vpc-cni                = "latest", kube-proxy = "v1.36.0-eksbuild.13", coredns = "v1.14.3-eksbuild.3", aws-ebs-csi-driver = "v1.63.1-eksbuild.1"
      eks-pod-identity-agent = "v1.3.10-eksbuild.3", metrics-server = "v0.8.1-eksbuild.11"
    }
  }
  expect_failures = [var.addon_versions]
}

run "a_missing_addon_is_refused" {
  command = plan
  variables {
    addon_versions = { vpc-cni = "v1.22.3-eksbuild.1" }
  }
  expect_failures = [var.addon_versions]
}

run "a_cluster_that_nobody_can_enter_is_refused" {
  command = plan
  variables {
    administrators = {}
  }
  expect_failures = [var.administrators]
}

run "an_administrator_with_a_wildcard_is_refused" {
  command = plan
  variables {
    administrators = { all = "arn:aws:iam::111122223333:role/*" }
  }
  expect_failures = [var.administrators]
}

run "one_subnet_is_refused" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [var.subnet_ids]
}

run "more_nodes_at_least_than_at_most_is_refused" {
  command = plan
  variables {
    nodes = { min = 4, max = 2 }
  }
  expect_failures = [var.nodes]
}

run "an_instance_type_of_another_architecture_is_refused" {
  command = plan
  variables {
    nodes = { instance_types = ["t4g.large"] }
  }
  expect_failures = [var.nodes]
}

run "a_node_that_the_addons_alone_would_fill_is_refused" {
  command = plan
  variables {
    nodes = { instance_types = ["t3.micro"] }
  }
  expect_failures = [var.nodes]
}

run "compute_of_another_kind_is_refused" {
  command = plan
  variables {
    compute = "fargate"
  }
  expect_failures = [var.compute]
}

run "support_of_another_kind_is_refused" {
  command = plan
  variables {
    support_type = "NONE"
  }
  expect_failures = [var.support_type]
}
