//! The pods that the operator itself runs in, as a network policy names them.

use std::collections::BTreeMap;

/// Namespace and labels that select the operator's own pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPods {
    pub namespace: String,
    /// Labels that all of them have, and that never change within an installation.
    pub labels: BTreeMap<String, String>,
}

impl OwnPods {
    /// Reads `POD_NAMESPACE` and `--pod-labels`, written like `name=value,name=value`. Without both no NetworkPolicy can select
    /// the pods, so the result is `None`.
    ///
    /// # Errors
    /// When the labels are not written so.
    pub fn read(namespace: Option<&str>, labels: Option<&str>) -> Result<Option<Self>, String> {
        let given = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let (Some(namespace), Some(text)) = (given(namespace), given(labels)) else {
            return Ok(None);
        };
        let labels: Option<BTreeMap<_, _>> = text
            .split(',')
            .map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
            })
            .collect();
        let labels = labels
            .ok_or_else(|| format!("--pod-labels: {text:?} is not written like app.kubernetes.io/name=ras-operator"))?;
        Ok(Some(Self { namespace, labels }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_known_by_their_namespace_and_labels_or_not_at_all() {
        let known = OwnPods::read(Some("ras-system"), Some("a/name=ras-operator, b=c"))
            .unwrap()
            .unwrap();
        assert_eq!(known.namespace, "ras-system");
        let labels: Vec<(&str, &str)> = known.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(labels, [("a/name", "ras-operator"), ("b", "c")]);
        for (namespace, labels) in [
            (None, Some("a=b")),
            (Some("n"), None),
            (Some("n"), Some("")),
            (Some(""), Some("a=b")),
        ] {
            assert_eq!(OwnPods::read(namespace, labels), Ok(None));
        }
        assert!(
            OwnPods::read(Some("n"), Some("a"))
                .unwrap_err()
                .contains("--pod-labels")
        );
    }
}
