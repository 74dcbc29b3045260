mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name         = "campus"
  cluster_name = "campus"
  cluster_arn  = "arn:aws:eks:ap-south-1:111122223333:cluster/campus"
  drives       = { spo = ["placements-2026", "internships-2026"], arts = ["placements-2026"] }
}

run "the_operator_cannot_leave_its_prefix" {
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.operator.policy).Statement : startswith(statement.Resource, "arn:aws:s3:::ras-")])
    error_message = aws_iam_role_policy.operator.policy
  }
}

run "another_prefix_is_carried_into_every_right" {
  variables {
    bucket_prefix = "campus-a"
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.operator.policy).Statement : startswith(statement.Resource, "arn:aws:s3:::campus-a-")])
    error_message = aws_iam_role_policy.operator.policy
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.drives.policy, "arn:aws:s3:::campus-a-$${aws:PrincipalTag/kubernetes-namespace}-*")
    error_message = aws_iam_role_policy.drives.policy
  }
}

run "the_operator_reads_no_object" {
  assert {
    condition     = !anytrue([for action in flatten([for statement in jsondecode(aws_iam_role_policy.operator.policy).Statement : statement.Action if statement.Effect == "Allow"]) : contains(["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], action)])
    error_message = "the operator could read or write what is in a bucket"
  }
  assert {
    condition     = alltrue([for action in ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"] : contains(flatten([for statement in jsondecode(aws_iam_role_policy.operator.policy).Statement : statement.Action if statement.Effect == "Deny"]), action)])
    error_message = "a bucket policy could let the operator read or write objects"
  }
}

run "no_right_is_a_wildcard" {
  assert {
    condition     = !anytrue([for policy in [aws_iam_role_policy.operator.policy, aws_iam_role_policy.drives.policy] : anytrue([for action in flatten([for statement in jsondecode(policy).Statement : statement.Action]) : strcontains(action, "*")])])
    error_message = "an action is a wildcard"
  }
}

run "a_drive_s_rights_carry_the_namespace_that_eks_sets" {
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.drives.policy).Statement : startswith(statement.Resource, "arn:aws:s3:::ras-$${aws:PrincipalTag/kubernetes-namespace}-*")])
    error_message = aws_iam_role_policy.drives.policy
  }
  assert {
    condition     = alltrue([for association in aws_eks_pod_identity_association.drive : !association.disable_session_tags])
    error_message = "without session tags the policy matches nothing"
  }
}

run "each_drive_that_is_named_has_its_association" {
  assert {
    condition     = tolist(keys(aws_eks_pod_identity_association.drive)) == tolist(["arts/placements-2026", "spo/internships-2026", "spo/placements-2026"])
    error_message = jsonencode(keys(aws_eks_pod_identity_association.drive))
  }
  assert {
    condition     = aws_eks_pod_identity_association.drive["spo/placements-2026"].service_account == "placements-2026" && aws_eks_pod_identity_association.drive["spo/placements-2026"].namespace == "spo"
    error_message = "a drive's service account is named as the drive"
  }
}

run "roles_trust_this_cluster_alone" {
  assert {
    condition     = alltrue([for role in [aws_iam_role.operator, aws_iam_role.drives] : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:RequestTag/eks-cluster-arn"] == "arn:aws:eks:ap-south-1:111122223333:cluster/campus"])
    error_message = "another cluster's pods could wear a role"
  }
}

run "the_operator_s_account_alone_wears_its_role" {
  assert {
    condition = jsondecode(aws_iam_role.operator.assume_role_policy).Statement[0].Condition.StringEquals == {
      "aws:RequestTag/eks-cluster-arn"            = "arn:aws:eks:ap-south-1:111122223333:cluster/campus"
      "aws:RequestTag/kubernetes-namespace"       = "ras-system"
      "aws:RequestTag/kubernetes-service-account" = "ras-operator"
    }
    error_message = aws_iam_role.operator.assume_role_policy
  }
}

run "external_secrets_reads_below_its_prefix_and_what_is_named" {
  variables {
    external_secrets = {
      prefix      = "campus"
      secret_arns = ["arn:aws:secretsmanager:ap-south-1:111122223333:secret:rds!db-x-abcdef"]
    }
  }
  assert {
    condition = jsondecode(aws_iam_role_policy.external_secrets[0].policy).Statement[0].Resource == [
      "arn:aws:secretsmanager:*:111122223333:secret:campus/*",
      "arn:aws:secretsmanager:ap-south-1:111122223333:secret:rds!db-x-abcdef",
    ]
    error_message = aws_iam_role_policy.external_secrets[0].policy
  }
}

run "a_namespace_that_begins_as_another_is_refused" {
  command = plan
  variables {
    drives = { spo = ["placements-2026"], spo-test = ["placements-2026"] }
  }
  expect_failures = [var.drives]
}

run "a_namespace_that_would_be_cut_off_in_bucket_names_is_refused" {
  command = plan
  variables {
    drives = { student-placement-office-of-the-faculty-of-engineering = ["placements"] }
  }
  expect_failures = [var.drives]
}

run "a_drive_with_a_wildcard_is_refused" {
  command = plan
  variables {
    drives = { spo = ["*"] }
  }
  expect_failures = [var.drives]
}

run "drives_beside_the_operator_are_refused" {
  command = plan
  variables {
    drives = { ras-system = ["placements-2026"] }
  }
  expect_failures = [var.drives]
}

run "a_prefix_that_the_operator_would_refuse_is_refused" {
  command = plan
  variables {
    bucket_prefix = "Ras-"
  }
  expect_failures = [var.bucket_prefix]
}

run "all_secrets_of_the_account_are_refused" {
  command = plan
  variables {
    external_secrets = { prefix = "*" }
  }
  expect_failures = [var.external_secrets]
}

run "a_wildcard_among_secrets_is_refused" {
  command = plan
  variables {
    external_secrets = { prefix = "campus", secret_arns = ["arn:aws:secretsmanager:ap-south-1:111122223333:secret:*"] }
  }
  expect_failures = [var.external_secrets]
}

run "a_cluster_with_a_wildcard_is_refused" {
  command = plan
  variables {
    cluster_arn = "arn:aws:eks:ap-south-1:111122223333:cluster/*"
  }
  expect_failures = [var.cluster_arn]
}

run "an_account_that_kubernetes_cannot_have_is_refused" {
  command = plan
  variables {
    operator = { service_account = "Ras_Operator" }
  }
  expect_failures = [var.operator]
}
