//! Messages of failures: the fact and, after a colon, the remedy.

use ras_crds::labels;

use crate::failure::kind::{Facts, Kind, Transport};
use crate::operation::Operation;

pub(super) fn message(facts: &Facts) -> String {
    format!("bucket `{}`: {}{}", facts.bucket, facts.what(), facts.next())
}

impl Facts {
    fn what(&self) -> String {
        let operation = self.operation.map_or("the request", Operation::as_str);
        let said = || {
            format!(
                "the object store answered {} to {operation}{}",
                self.called(),
                self.said()
            )
        };
        match &self.kind {
            Kind::Transport(Transport::TimedOut) => format!("the object store did not answer {operation} in time"),
            Kind::Transport(Transport::NoConnection(why)) => {
                format!("the object store cannot be reached for {operation} ({why})")
            }
            Kind::Transport(Transport::Closed) => {
                format!("the object store closed the connection before it had answered {operation}")
            }
            Kind::Transport(Transport::UnknownAuthority) => {
                "the object store's certificate is signed by an authority that the operator does not trust".to_owned()
            }
            Kind::Transport(Transport::Tls(why)) => format!("no TLS connection with the object store ({why})"),
            Kind::Transport(Transport::TooLong) => format!(
                "the object store's answer to {operation} is longer than 16 MiB, which no answer of S3 is, and was not read on"
            ),
            Kind::Transport(Transport::NotS3) => {
                format!("what answers {operation} at the object store's address does not speak S3")
            }
            Kind::Transport(Transport::NoCredentials(why)) => {
                format!("the operator has no credentials for the object store ({why})")
            }
            Kind::Missing if self.operation.is_none() => "it does not exist".to_owned(),
            Kind::Missing => format!("it does not exist (NoSuchBucket to {operation})"),
            Kind::Lost { to_another: false } => "it was there and does not exist any more".to_owned(),
            Kind::Lost { to_another: true } => "another bucket has its name".to_owned(),
            Kind::Taken => "the name is taken by another account (BucketAlreadyExists)".to_owned(),
            Kind::NotOurs { whose } => whose.clone(),
            Kind::NotPermitted { namespace } => {
                format!("the platform does not let drives of the namespace {namespace} use it")
            }
            Kind::Unstable => "its settings change again after they are written".to_owned(),
            Kind::Stuck => "the object store reports that objects are removed, but still lists them".to_owned(),
            Kind::WrongRegion => match &self.answer.region {
                Some(region) => format!("it is in the region {region} ({} to {operation})", self.called()),
                None => format!("it is in another region ({} to {operation})", self.called()),
            },
            _ => said(),
        }
    }

    /// The remedy, with its separator.
    fn next(&self) -> String {
        match &self.kind {
            Kind::Transport(Transport::TimedOut | Transport::Closed)
            | Kind::ServerError
            | Kind::Busy
            | Kind::NotEmpty => "; it is tried again".to_owned(),
            Kind::Transport(Transport::NoConnection(_)) => {
                ": see that it runs and that `objectStore.endpoint` is its address; it is tried again".to_owned()
            }
            Kind::Transport(Transport::UnknownAuthority) => {
                ": name a file with the authority's certificate in `objectStore.caFile`".to_owned()
            }
            Kind::Transport(Transport::Tls(_)) => {
                ": see that `objectStore.endpoint` names the host of its certificate, and a port that speaks TLS"
                    .to_owned()
            }
            Kind::Transport(Transport::TooLong | Transport::NotS3) => {
                ": see that `objectStore.endpoint` is its address and not that of its console or a proxy's error page"
                    .to_owned()
            }
            Kind::Transport(Transport::NoCredentials(_)) => {
                ": give the operator's service account a workload identity, or mount a Secret and name its folder in \
                 `objectStore.credentialsDirectory`"
                    .to_owned()
            }
            Kind::Throttled => {
                ": it is tried again, slower; lower `objectStore.requestsPerSecond` if this stays".to_owned()
            }
            Kind::ClockSkewed => {
                ": set the clocks of the cluster's nodes and of the object store by NTP; they may differ by 15 minutes"
                    .to_owned()
            }
            Kind::Denied => format!(
                ": give the operator's credentials {} on it, or choose another bucket if it is another account's",
                self.operation.map_or_else(
                    || "the right".to_owned(),
                    |operation| format!("the right {}", operation.right())
                )
            ),
            Kind::KeyUnknown => ": put a valid access key into the Secret with the operator's credentials".to_owned(),
            Kind::SignatureRefused => ": put the secret key that belongs to the access key into the Secret with the \
                 operator's credentials, and see that no proxy changes the Host header"
                .to_owned(),
            Kind::TokenExpired => ": renew the session token in the Secret with the operator's credentials".to_owned(),
            Kind::Missing => ": make it, or correct its name in the drive".to_owned(),
            Kind::Lost { .. } => ": restore it, or accept the loss".to_owned(),
            Kind::Taken => ": choose another `objectStore.bucketPrefix`, or another name for the bucket".to_owned(),
            Kind::NotPermitted { namespace } => format!(
                ": nothing is changed in it; ask the platform team to list it in `tenancy.existingBuckets`, or who keeps the bucket \
                 to give it the tag {} with the value {namespace}",
                labels::ALLOWED_NAMESPACE
            ),
            Kind::NotOurs { .. } => {
                ": nothing is changed in it; choose another name, or use it as an existing bucket".to_owned()
            }
            Kind::WrongRegion => match &self.answer.region {
                Some(region) => format!(": set `objectStore.region` to {region}, or choose a bucket of this region"),
                None => ": set `objectStore.region` to the store's, or choose a bucket of this region".to_owned(),
            },
            Kind::EncryptionKey => {
                ": see that the key exists in this region, is enabled, and that its policy lets the operator use it"
                    .to_owned()
            }
            Kind::TooMany => ": remove buckets that are not needed, or ask for a higher limit".to_owned(),
            Kind::InvalidName => ": choose a name of 3 to 63 of a-z, 0-9 and '-'".to_owned(),
            Kind::Stuck => ": remove them with its own tools; it is tried again".to_owned(),
            Kind::Unstable => {
                ": check whether another client changes or deletes it at the same time; it is tried again".to_owned()
            }
            Kind::NoLockLater => {
                ": objects can only be locked in a bucket that was made so; make a new one, or do without".to_owned()
            }
            Kind::Locked => ": wait until the lock ends, or have somebody lift it who may".to_owned(),
            Kind::Unsupported => ": use a store that can do it, or do without".to_owned(),
            Kind::Refused => ": correct this setting of the bucket".to_owned(),
        }
    }

    fn called(&self) -> String {
        match (&self.answer.code, self.answer.status) {
            (Some(code), _) => code.clone(),
            (None, Some(status)) => format!("HTTP {status}"),
            (None, None) => "an error".to_owned(),
        }
    }

    fn said(&self) -> String {
        match self.answer.message.as_deref() {
            None | Some("") => String::new(),
            Some(message) => format!(" ({message})"),
        }
    }
}
