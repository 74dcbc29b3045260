use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::Api;

use crate::{AuditEvent, Error, eventually};

/// True for requests of leader election.
pub fn is_lease(event: &AuditEvent) -> bool {
    event.resource == "leases"
}

/// Waits until a candidate has taken the lease after a moment; returns who, and when.
pub async fn lease_taken_after(
    leases: &Api<Lease>,
    name: &str,
    moment: Timestamp,
    limit: Duration,
) -> Result<(String, Timestamp), Error> {
    eventually(limit, "a candidate to take the lease", async || {
        let lease = leases.get(name).await?.spec.unwrap_or_default();
        match (lease.holder_identity, lease.acquire_time) {
            (Some(holder), Some(taken)) if taken.0 > moment && !holder.is_empty() => Ok((holder, taken.0)),
            seen => Err(format!("{seen:?}").into()),
        }
    })
    .await
}

/// Checks the writes of all candidates, in the order in which the API server received them: only the candidate that
/// wrote the lease last may write. `who` identifies the candidates.
///
/// Returns the number of writes of each, or the first write of a candidate that did not lead, as a sentence.
pub fn never_two_at_once<'a>(
    writes: &'a [AuditEvent],
    who: impl Fn(&'a AuditEvent) -> &'a str,
) -> Result<BTreeMap<&'a str, usize>, String> {
    let mut holder = None;
    let mut by_each = BTreeMap::new();
    for event in writes {
        let author = who(event);
        if is_lease(event) {
            // A refused one changed nothing.
            if event.code < 300 {
                holder = Some(author);
            }
            continue;
        }
        if Some(author) != holder {
            return Err(format!(
                "{author} did {} {} {} at {}, and the lease is held by {}",
                event.verb,
                event.resource,
                event.name,
                event.received.0,
                holder.unwrap_or("nobody")
            ));
        }
        *by_each.entry(author).or_insert(0) += 1;
    }
    Ok(by_each)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};

    use super::*;

    fn write(resource: &str, by: &str, code: u16) -> AuditEvent {
        AuditEvent {
            verb: "patch".to_owned(),
            resource: resource.to_owned(),
            group: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: "web".to_owned(),
            request_uri: String::new(),
            user_agent: String::new(),
            username: by.to_owned(),
            pod: String::new(),
            received: MicroTime(Timestamp::UNIX_EPOCH),
            code,
            stage: "ResponseComplete".to_owned(),
        }
    }

    fn look(writes: &[(&str, &str, u16)]) -> Result<Vec<(String, usize)>, String> {
        let writes: Vec<_> = writes
            .iter()
            .map(|(resource, by, code)| write(resource, by, *code))
            .collect();
        let by_each = never_two_at_once(&writes, |event| &event.username)?;
        Ok(by_each
            .into_iter()
            .map(|(who, count)| (who.to_owned(), count))
            .collect())
    }

    #[test]
    fn whoever_writes_is_who_wrote_the_lease_last() {
        let one_after_the_other = look(&[
            ("leases", "a", 200),
            ("services", "a", 200),
            ("leases", "b", 409),
            ("services", "a", 200),
            ("leases", "b", 200),
            ("services", "b", 201),
        ]);
        assert_eq!(one_after_the_other, Ok(vec![("a".to_owned(), 2), ("b".to_owned(), 1)]));
    }

    #[test]
    fn a_write_of_somebody_else_is_found() {
        let late = look(&[("leases", "a", 200), ("leases", "b", 200), ("services", "a", 200)]);
        assert!(late.is_err_and(|sentence| sentence.starts_with("a did patch services web")));
        let before_all = look(&[("services", "a", 200)]);
        assert!(before_all.is_err_and(|sentence| sentence.ends_with("held by nobody")));
    }
}
