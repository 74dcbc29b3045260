//! Objects that the API server refuses: what waits for them, what continues without them, and what conditions report.

mod children;
mod network_policies;
mod routes;
mod volumes;

use ras_crds::Condition;
use ras_tests::{Error, PATIENCE, TestEnv, eventually};
use serde_json::json;

use crate::seen::{IMAGE, kubectl, kubectl_with_input};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec:
  services:
  - name: api
    image: registry.example.com/api:1
    ports: [{name: http, port: 8080, path: /api}]
    egress: [{cidr: 10.20.0.0/24}]
  - name: site
    image: registry.example.com/site:1
    ports: [{name: http, port: 8080, path: /}]
  exposure: {host: spring.example.edu}
";

/// The refusal of the API server.
const WORDS: &str = "a test refuses it";

/// A rule of the API server of this namespace alone, under which it refuses objects.
struct Rule<'a> {
    test_env: &'a TestEnv,
    name: String,
}

impl<'a> Rule<'a> {
    /// Refuses each object of these resources of which the expression is false, from the moment that this returns.
    async fn refuse(
        test_env: &'a TestEnv,
        group: &str,
        resource: &str,
        unless: &str,
        probe: &str,
    ) -> Result<Self, Error> {
        let rule = Self::of(test_env, group, resource, &["CREATE", "UPDATE"], unless).await?;
        eventually(PATIENCE, "the API server to know the rule", async || {
            let tried = ["create", "--dry-run=server", "--filename=-"];
            match kubectl_with_input(test_env, &tried, probe).await {
                Err(error) if error.to_string().contains(WORDS) => Ok(()),
                other => Err(format!("{other:?}").into()),
            }
        })
        .await?;
        Ok(rule)
    }

    async fn of(
        test_env: &'a TestEnv,
        group: &str,
        resource: &str,
        operations: &[&str],
        unless: &str,
    ) -> Result<Self, Error> {
        let name = format!("{}-{resource}", test_env.namespace.name());
        let rule = json!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "ValidatingAdmissionPolicy",
                    "metadata": {"name": name},
                    "spec": {
                        "matchConstraints": {"resourceRules": [{
                            "apiGroups": [group], "apiVersions": ["*"], "resources": [resource],
                            "operations": operations,
                        }]},
                        "validations": [{"expression": unless, "message": WORDS}],
                    },
                },
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "ValidatingAdmissionPolicyBinding",
                    "metadata": {"name": name},
                    "spec": {
                        "policyName": name,
                        "validationActions": ["Deny"],
                        "matchResources": {"namespaceSelector": {
                            "matchLabels": {"kubernetes.io/metadata.name": test_env.namespace.name()},
                        }},
                    },
                },
            ],
        });
        kubectl_with_input(test_env, &["apply", "--filename=-"], &rule.to_string()).await?;
        Ok(Self { test_env, name })
    }

    /// The same for network policies with a name that the expression allows.
    async fn policies(test_env: &'a TestEnv, unless: &str, refused: &str) -> Result<Self, Error> {
        let probe = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": refused}, "spec": {"podSelector": {}},
        });
        Self::refuse(
            test_env,
            "networking.k8s.io",
            "networkpolicies",
            unless,
            &probe.to_string(),
        )
        .await
    }

    /// Refuses nothing from now on.
    async fn lift(self) -> Result<(), Error> {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            kubectl(self.test_env, &["delete", kind, &self.name]).await?;
        }
        Ok(())
    }
}

fn has(condition: &Condition, words: &[&str]) {
    for word in words {
        assert!(condition.message.contains(word), "{word}: {}", condition.message);
    }
}
