//! `PrometheusRule` (`monitoring.coreos.com/v1`): alerts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::foreign_kind;

foreign_kind! {
    /// Alerts that Prometheus evaluates.
    PrometheusRule, spec: PrometheusRuleSpec, group: "monitoring.coreos.com", version: "v1", plural: "prometheusrules"
}

/// The alerts, in groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusRuleSpec {
    pub groups: Vec<RuleGroup>,
}

/// Rules that are evaluated together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleGroup {
    /// Name of the group, unique in the object.
    pub name: String,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name of the alert.
    pub alert: String,
    /// When it fires: a `PromQL` expression.
    pub expr: String,
    /// For how long the expression has to hold, in Prometheus' form.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<String>,
    /// Labels added to the alert.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}
