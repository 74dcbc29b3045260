//! Which values of Secrets programs get as part of a URL. Kubernetes puts those URLs together in the pod, where nothing is
//! escaped, so such a value has to be one that needs no escaping. Pure.

use super::valid::{EnvSource, ValidContainer, ValidService};

/// True if a URL of any container contains this key of a Secret.
pub fn contains(services: &[ValidService], secret: &str, key: &str) -> bool {
    services.iter().any(|service| {
        let files = service.templates().map(|(_, content)| content);
        let migration = service.migration.as_ref().map(|migration| &migration.container);
        is_in_urls_of(&service.container, files, secret, key)
            || service
                .sidecars
                .iter()
                .chain(&service.init_containers)
                .chain(migration)
                .any(|container| is_in_urls_of(container, std::iter::empty(), secret, key))
    })
}

fn is_in_urls_of<'a>(
    container: &'a ValidContainer,
    files: impl Iterator<Item = &'a str>,
    secret: &str,
    key: &str,
) -> bool {
    let variables: Vec<&str> = container
        .env
        .iter()
        .filter(|variable| match &variable.source {
            EnvSource::Secret { secret: used, key: of } => used.secret_name == secret && of == key,
            EnvSource::Value(_) => false,
        })
        .map(|variable| variable.name.as_str())
        .collect();
    let values = container.env.iter().filter_map(|variable| match &variable.source {
        EnvSource::Value(value) => Some(value.as_str()),
        EnvSource::Secret { .. } => None,
    });
    let words = container.command.iter().chain(&container.args).map(String::as_str);
    let mut texts = values.chain(words).chain(files);
    texts.any(|text| variables.iter().any(|variable| is_in_url(text, variable)))
}

/// True if `$(variable)` is in a URL of this text.
fn is_in_url(text: &str, variable: &str) -> bool {
    text.match_indices(&format!("$({variable})")).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let is_edge = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        before.rsplit(is_edge).next().is_some_and(|word| word.contains("://"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_in_a_url_is_told_from_one_beside_it() {
        for (text, is_in) in [
            ("postgresql://app:$(PASSWORD)@db/app", true),
            ("--dsn=postgresql://app:$(PASSWORD)@db/app", true),
            ("url: \"amqp://app:$(PASSWORD)@queue\"\n", true),
            ("$(PASSWORD)", false),
            ("url: https://example.edu\npassword: $(PASSWORD)\n", false),
            (
                "{\"url\": \"https://example.edu\", \"password\": \"$(PASSWORD)\"}",
                false,
            ),
            ("postgresql://app:$(PASSWORD_2)@db/app", false),
        ] {
            assert_eq!(is_in_url(text, "PASSWORD"), is_in, "{text}");
        }
    }
}
