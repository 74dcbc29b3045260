//! Lists and deletes the content of a bucket, a page at a time.

use std::cmp::Reverse;
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};

use crate::failure::{Answer, Failure};
use crate::operation::Operation;
use crate::s3::S3Store;
use crate::s3::convert::timestamp;
use crate::store::{Deleted, Entry, EntryKind, Listing, Marker, PAGE, Page};

/// [`PAGE`] in the type of the API. `MinIO` would return 10,000 uploads by default.
const PAGE_KEYS: i32 = 1_000;
/// For a whole page: Garage on a busy machine takes six seconds.
const DELETE_LIMIT: Duration = Duration::from_secs(60);

impl S3Store {
    pub(super) async fn page(&self, bucket: &str, listing: Listing, after: Option<&Marker>) -> Result<Page, Failure> {
        match listing {
            Listing::Versions => self.versions(bucket, after).await,
            Listing::Objects => self.objects(bucket, after).await,
            Listing::Uploads => self.uploads(bucket, after).await,
        }
    }

    async fn versions(&self, bucket: &str, after: Option<&Marker>) -> Result<Page, Failure> {
        let request = self
            .client
            .list_object_versions()
            .bucket(bucket)
            .max_keys(PAGE_KEYS)
            // Keys may contain characters that XML cannot.
            .encoding_type(EncodingType::Url)
            .set_key_marker(after.map(|marker| marker.key.clone()))
            .set_version_id_marker(after.and_then(|marker| marker.within.clone()));
        let answer = self
            .send(Operation::ListObjectVersions, bucket, || request.clone().send())
            .await?;
        let names = Names::of(answer.encoding_type.as_ref());
        let versions = answer.versions.unwrap_or_default().into_iter().map(|version| {
            let is_latest = version.is_latest.unwrap_or_default();
            let entry = Entry {
                key: names.read(version.key),
                kind: if is_latest { EntryKind::Current } else { EntryKind::Old },
                id: version.version_id,
                bytes: bytes(version.size),
                modified: timestamp(version.last_modified.as_ref()),
            };
            (is_latest, entry)
        });
        let markers = answer.delete_markers.unwrap_or_default().into_iter().map(|marker| {
            let entry = Entry {
                key: names.read(marker.key),
                kind: EntryKind::DeleteMarker,
                id: marker.version_id,
                bytes: 0,
                modified: timestamp(marker.last_modified.as_ref()),
            };
            (marker.is_latest.unwrap_or_default(), entry)
        });
        let mut entries: Vec<(bool, Entry)> = versions.chain(markers).collect();
        // The SDK splits the one list of S3 in two.
        entries.sort_by(|(latest, one), (other_latest, other)| {
            let rank = |latest: &bool, entry: &Entry| (Reverse(*latest), Reverse(entry.modified));
            one.key
                .cmp(&other.key)
                .then_with(|| rank(latest, one).cmp(&rank(other_latest, other)))
        });
        let is_truncated = answer.is_truncated.unwrap_or_default();
        let within = answer.next_version_id_marker.filter(|id| !id.is_empty());
        Ok(Page {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            next: names.next(is_truncated, answer.next_key_marker, within),
        })
    }

    async fn objects(&self, bucket: &str, after: Option<&Marker>) -> Result<Page, Failure> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .max_keys(PAGE_KEYS)
            .encoding_type(EncodingType::Url)
            .set_continuation_token(after.map(|marker| marker.key.clone()));
        let answer = self
            .send(Operation::ListObjects, bucket, || request.clone().send())
            .await?;
        let names = Names::of(answer.encoding_type.as_ref());
        let entries = answer.contents.unwrap_or_default().into_iter().map(|object| Entry {
            key: names.read(object.key),
            kind: EntryKind::Current,
            id: None,
            bytes: bytes(object.size),
            modified: timestamp(object.last_modified.as_ref()),
        });
        Ok(Page {
            entries: entries.collect(),
            // Tokens are not encoded.
            next: Names::Plain.next(
                answer.is_truncated.unwrap_or_default(),
                answer.next_continuation_token,
                None,
            ),
        })
    }

    async fn uploads(&self, bucket: &str, after: Option<&Marker>) -> Result<Page, Failure> {
        // Without a prefix, because MinIO treats it as the whole key.
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(bucket)
            .max_uploads(PAGE_KEYS)
            .encoding_type(EncodingType::Url)
            .set_key_marker(after.map(|marker| marker.key.clone()))
            .set_upload_id_marker(after.and_then(|marker| marker.within.clone()));
        let answer = self
            .send(Operation::ListMultipartUploads, bucket, || request.clone().send())
            .await?;
        let names = Names::of(answer.encoding_type.as_ref());
        let entries = answer.uploads.unwrap_or_default().into_iter().map(|upload| Entry {
            key: names.read(upload.key),
            kind: EntryKind::Upload,
            id: upload.upload_id,
            bytes: 0,
            modified: timestamp(upload.initiated.as_ref()),
        });
        let within = answer.next_upload_id_marker.filter(|id| !id.is_empty());
        Ok(Page {
            entries: entries.collect(),
            next: names.next(answer.is_truncated.unwrap_or_default(), answer.next_key_marker, within),
        })
    }

    /// Removes objects in one request if their keys can be in XML, and other entries one by one.
    pub(super) async fn delete_entries(&self, bucket: &str, entries: &[Entry]) -> Result<Deleted, Failure> {
        let (together, mut alone): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| is_writable(entry));
        let mut deleted = Deleted::default();
        for some in together.chunks(PAGE) {
            match self.delete_together(bucket, some, &mut deleted).await {
                Err(failure) if failure.is_unsupported() => alone.extend(some),
                result => result?,
            }
        }
        for entry in alone {
            let result = self.delete_alone(bucket, entry).await;
            self.note(result, &mut deleted)?;
        }
        Ok(deleted)
    }

    async fn delete_together(&self, bucket: &str, entries: &[&Entry], deleted: &mut Deleted) -> Result<(), Failure> {
        let operation = Operation::DeleteObjects;
        let refused = |code: Option<String>, message: Option<String>| {
            let answer = Answer {
                code,
                message,
                ..Answer::default()
            };
            Failure::answered(operation, bucket, answer)
        };
        let unwritable = |error: aws_sdk_s3::error::BuildError| refused(None, Some(error.to_string()));
        let objects = entries.iter().map(|entry| {
            ObjectIdentifier::builder()
                .key(&entry.key)
                .set_version_id(entry.id.clone())
                .build()
        });
        let objects = objects.collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
        let all = u64::try_from(objects.len()).unwrap_or(u64::MAX);
        let delete = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build()
            .map_err(unwritable)?;
        let timeouts = TimeoutConfig::builder()
            .read_timeout(DELETE_LIMIT)
            .operation_attempt_timeout(DELETE_LIMIT)
            .build();
        let answer = self
            .send(operation, bucket, || {
                self.client
                    .delete_objects()
                    .bucket(bucket)
                    .delete(delete.clone())
                    .customize()
                    .config_override(aws_sdk_s3::Config::builder().timeout_config(timeouts.clone()))
                    .send()
            })
            .await?;
        let mut left = 0;
        for error in answer.errors.unwrap_or_default() {
            if matches!(error.code.as_deref(), Some("NoSuchKey" | "NoSuchVersion")) {
                continue;
            }
            left += 1;
            self.note(Err(refused(error.code, error.message)), deleted)?;
        }
        deleted.removed += all.saturating_sub(left);
        Ok(())
    }

    async fn delete_alone(&self, bucket: &str, entry: &Entry) -> Result<(), Failure> {
        let result = if entry.kind == EntryKind::Upload {
            let request = self
                .client
                .abort_multipart_upload()
                .bucket(bucket)
                .key(&entry.key)
                .set_upload_id(entry.id.clone());
            self.send(Operation::AbortMultipartUpload, bucket, || request.clone().send())
                .await
                .map(drop)
        } else {
            let request = self
                .client
                .delete_object()
                .bucket(bucket)
                .key(&entry.key)
                .set_version_id(entry.id.clone());
            self.send(Operation::DeleteObject, bucket, || request.clone().send())
                .await
                .map(drop)
        };
        match result {
            Err(failure) if matches!(failure.code(), Some("NoSuchUpload" | "NoSuchKey" | "NoSuchVersion")) => Ok(()),
            result => result,
        }
    }

    /// Adds up results. Returns a failure that affects all requests.
    fn note(&self, result: Result<(), Failure>, deleted: &mut Deleted) -> Result<(), Failure> {
        match result {
            Ok(()) => deleted.removed += 1,
            Err(failure) if failure.is_locked() => deleted.locked += 1,
            Err(failure) if failure.affects_all_requests() => {
                if failure.is_throttled() {
                    self.rate_limiter.slow_down();
                }
                return Err(failure);
            }
            Err(failure) => {
                deleted.refused += 1;
                deleted.refusal.get_or_insert(failure);
            }
        }
        Ok(())
    }
}

/// The key can be in an XML document: control characters cannot, and parsers change some of them.
fn is_writable(entry: &Entry) -> bool {
    entry.kind != EntryKind::Upload
        && !entry
            .key
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

fn bytes(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

/// Encoding of keys in an answer. Not every server uses the requested one.
#[derive(Clone, Copy, Debug)]
enum Names {
    Plain,
    Encoded,
}

impl Names {
    fn of(encoding: Option<&EncodingType>) -> Self {
        match encoding {
            Some(EncodingType::Url) => Self::Encoded,
            _ => Self::Plain,
        }
    }

    fn read(self, key: Option<String>) -> String {
        let key = key.unwrap_or_default();
        match self {
            Self::Plain => key,
            Self::Encoded => decode(&key),
        }
    }

    fn next(self, is_truncated: bool, key: Option<String>, within: Option<String>) -> Option<Marker> {
        let key = key.filter(|key| is_truncated && !key.is_empty())?;
        Some(Marker {
            key: self.read(Some(key)),
            within,
        })
    }
}

/// Decodes `%xx`, and `+` for a space.
fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let rest = bytes.as_slice();
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(value) => {
                        decoded.push(value);
                        bytes.nth(1);
                    }
                    None => decoded.push(byte),
                }
            }
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn keys_are_read_as_s3_writes_them() {
        for (encoded, key) in [
            ("a/b.pdf", "a/b.pdf"),
            ("R%C3%A9sum%C3%A9+1.pdf", "Résumé 1.pdf"),
            ("100%25", "100%"),
            ("tab%09%0A", "tab\t\n"),
            ("not%zzcode%", "not%zzcode%"),
        ] {
            assert_eq!(decode(encoded), key);
        }
    }
}
