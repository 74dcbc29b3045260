//! Bounds that fields of several parts have in common, because what they name is the same.
//!
//! Patterns are short, because the API server counts their length among the costs of a schema; what a short one lets
//! through too much, `sentences` adds as a rule.

/// A part of a drive, from which names of Kubernetes' objects are made.
pub(crate) const PART_NAME: &str = r"^[a-z]([-a-z0-9]*[a-z0-9])?$";

/// An object of Kubernetes' (a DNS subdomain), together with [`LONGEST_OBJECT_NAME`].
pub(crate) const OBJECT_NAME: &str = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$";
/// Characters.
pub(crate) const LONGEST_OBJECT_NAME: usize = 253;

/// A key of a Secret, together with [`LONGEST_KEY`].
pub(crate) const KEY: &str = r"^[-.\w]+$";
/// Characters.
pub(crate) const LONGEST_KEY: usize = 253;

/// An environment variable, as Kubernetes accepts them since 1.34: printable ASCII other than '='.
pub(crate) const VARIABLE: &str = "^[ -<>-~]+$";
/// How many of them a program may be given.
pub(crate) const MOST_VARIABLES: usize = 256;

/// How many words a command or its arguments may have.
pub(crate) const MOST_WORDS: usize = 64;
/// Characters of one of them.
pub(crate) const LONGEST_WORD: usize = 4_096;

/// `hostname` of a pod (a DNS label).
pub(crate) const HOST_NAME: &str = r"^[a-z0-9]([-0-9a-z]*[a-z0-9])?$";
/// A header of a probe's request.
pub(crate) const HEADER_NAME: &str = r"^[-A-Za-z0-9]+$";
/// A host name that people type.
pub(crate) const HOST: &str = r"^[a-z0-9]([-a-z.0-9]*[a-z0-9])?$";
/// An image.
pub(crate) const IMAGE: &str = r"^\S+$";
/// A key of a key management service.
pub(crate) const KMS_KEY: &str = r"^[^\s]+$";
/// A bucket that is there.
pub(crate) const BUCKET_NAME: &str = r"^[a-z0-9][-.a-z0-9]*[a-z0-9]$";
/// A database or role of PostgreSQL.
pub(crate) const DATABASE_NAME: &str = r"^[a-z][-_a-z0-9]*$";
/// An extension of PostgreSQL.
pub(crate) const EXTENSION: &str = r"^[a-z][-_0-9a-z]*$";
/// Times as in a crontab.
pub(crate) const SCHEDULE: &str = r"^[0-9a-zA-Z*?,/-]+( [0-9a-zA-Z*?,/-]+){4}$";
/// A place in a container.
pub(crate) const MOUNT_PATH: &str = r"^(/[-.\w]+)+$";
/// What is asked for over HTTP.
pub(crate) const REQUEST_PATH: &str = r"^/\S*$";
/// A file of a binding.
pub(crate) const FILE_NAME: &str = r"^[^\W_]([-.\w]*[^\W_])?$";
/// A port of a container and a Service (RFC 6335).
pub(crate) const PORT_NAME: &str = r"^[a-z0-9]*([a-z0-9]-)*[a-z0-9]*[a-z]([a-z0-9]*(-[a-z0-9])*)*$";
/// A path under the drive's host.
pub(crate) const ROUTE_PATH: &str = r"^(/|(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+)$";
/// An origin of a web page, with at most one wildcard.
pub(crate) const ORIGIN: &str = r"^\S*$";
/// A request header, with at most one wildcard.
pub(crate) const REQUEST_HEADER: &str = r"^\S{0,}$";
/// A response header.
pub(crate) const RESPONSE_HEADER: &str = r"^[^*\s]+$";

/// The CEL rule of a list of ports: no two of them have the same number and protocol.
pub(crate) const PORTS_DIFFER: &str = "self.all(p, self.exists_one(q, q.port == p.port && (has(q.protocol) ? q.protocol : 'TCP') == (has(p.protocol) ? p.protocol : 'TCP')))";

/// The CEL rule of a directory in which a container starts, together with [`LONGEST_DIRECTORY`].
pub(crate) const IS_DIRECTORY: &str = r"self.matches('^/[^\\x00]*$') && !self.matches('/[.][.](/|$)')";
/// Characters.
pub(crate) const LONGEST_DIRECTORY: usize = 512;
