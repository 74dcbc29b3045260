//! Bucket policies: one statement of the operator, which denies requests without TLS, next to those of others. Pure.

use serde_json::{Map, Value, json};

use ras_core::bucket::request::BucketRequest;

/// The document to write; `Null` removes it. `None`: `observed` is as desired.
pub(super) fn document(request: &BucketRequest, observed: &Value, region: Option<&str>) -> Option<Value> {
    let sid = sid(request);
    let statements = statements(observed);
    let (ours, others): (Vec<_>, Vec<_>) = statements
        .into_iter()
        .partition(|statement| statement.get("Sid").and_then(Value::as_str) == Some(&sid));
    let wanted: Vec<Value> = request
        .settings
        .tls_only
        .then(|| tls_only(request, &sid, region))
        .into_iter()
        .collect();
    if normal_all(&ours) == normal_all(&wanted) {
        return None;
    }
    let statements: Vec<Value> = others.into_iter().chain(wanted).collect();
    if statements.is_empty() {
        return Some(Value::Null);
    }
    let mut document = observed.as_object().cloned().unwrap_or_default();
    document.entry("Version").or_insert_with(|| Value::from("2012-10-17"));
    document.insert("Statement".to_owned(), Value::Array(statements));
    Some(Value::Object(document))
}

/// AWS allows letters and digits only.
fn sid(request: &BucketRequest) -> String {
    format!("RasDevTlsOnly{}", request.owner.mark())
}

fn tls_only(request: &BucketRequest, sid: &str, region: Option<&str>) -> Value {
    let arn = format!("arn:{}:s3:::{}", partition(region), request.bucket);
    json!({
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, format!("{arn}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

/// ARNs have other partitions in China and in the US government regions.
fn partition(region: Option<&str>) -> &'static str {
    let region = region.unwrap_or_default();
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// A single statement may stand without a list.
fn statements(document: &Value) -> Vec<Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn normal_all(statements: &[Value]) -> Vec<Value> {
    statements.iter().map(normal).collect()
}

/// One form for equivalent ones: a string or a list of one, `*` or `{"AWS": "*"}`, `false` or `"false"`.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), normal_field(key, value)))
                .collect(),
        ),
        other => normal_list(other),
    }
}

fn normal_field(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("Sid" | "Effect", value) => value.clone(),
        ("Principal", Value::String(text)) if text == "*" => {
            Value::Object(Map::from_iter([("AWS".to_owned(), json!(["*"]))]))
        }
        (_, value) => normal(value),
    }
}

fn normal_list(value: &Value) -> Value {
    let mut texts: Vec<String> = match value {
        Value::Array(list) => list.iter().map(text).collect(),
        one => vec![text(one)],
    };
    texts.sort();
    texts.dedup();
    Value::from(texts)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
