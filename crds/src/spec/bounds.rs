//! Bounds that fields of several parts have in common, because what they name is the same.

/// A part of a drive, from which names of Kubernetes' objects are made.
pub(super) const PART_NAME: &str = r"^[a-z]([-a-z0-9]*[a-z0-9])?$";

/// An object of Kubernetes' (a DNS subdomain), together with [`LONGEST_OBJECT_NAME`].
pub(super) const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Characters.
pub(super) const LONGEST_OBJECT_NAME: usize = 253;

/// A key of a Secret, together with [`LONGEST_KEY`].
pub(super) const KEY: &str = r"^([-_a-zA-Z0-9]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$";
/// Characters.
pub(super) const LONGEST_KEY: usize = 253;

/// An environment variable.
pub(super) const VARIABLE: &str = r"^[A-Za-z_][A-Za-z0-9_]*$";
/// How many of them a program may be given.
pub(super) const MOST_VARIABLES: usize = 64;

/// How many words a command or its arguments may have.
pub(super) const MOST_WORDS: usize = 64;
/// Characters of one of them.
pub(super) const LONGEST_WORD: usize = 4_096;
