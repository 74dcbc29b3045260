//! What is wrong with a drive: all of it at once, each with the field it is about.

use std::fmt;

use ras_crds::Reason;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, for instance `spec.services[1].ports[0].path`.
    pub field: String,
    /// What is wrong and what to do, in a sentence without a full stop.
    pub message: String,
    /// [`Reason::InvalidSpec`], [`Reason::HostTaken`], [`Reason::ForeignObject`] or [`Reason::NameTaken`].
    pub reason: Reason,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything that is wrong, in the spec's order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldErrorList(Vec<FieldError>);

impl FieldErrorList {
    /// The only problem of a spec that is looked into no further.
    pub(super) fn one(field: &str, message: String) -> Self {
        let mut found = FieldErrors::default();
        found.invalid(field, message);
        Self(found.0)
    }

    /// Every problem.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// The reason to show: a mistake in the spec before a name that is taken, because its owner can mend
    /// the one alone.
    pub fn reason(&self) -> Reason {
        let reasons = [Reason::InvalidSpec, Reason::HostTaken, Reason::ForeignObject];
        let is_told = |reason: &Reason| self.0.iter().any(|problem| problem.reason == *reason);
        reasons.into_iter().find(is_told).unwrap_or(Reason::NameTaken)
    }
}

impl fmt::Display for FieldErrorList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrorList {}

/// Problems found so far.
#[derive(Debug, Default)]
pub(super) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// The spec asks for something impossible.
    pub(super) fn invalid(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
            reason: Reason::InvalidSpec,
        });
    }

    /// A name belongs to somebody else.
    pub(super) fn taken(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
            reason: Reason::NameTaken,
        });
    }

    /// Something else than the spec is in the way.
    pub(super) fn in_the_way(&mut self, field: impl Into<String>, reason: Reason, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
            reason,
        });
    }

    /// Whether the same was found already of this field or of a part of it.
    pub(super) fn says(&self, field: &str, message: &str) -> bool {
        let mut all = self.0.iter();
        all.any(|problem| problem.field.starts_with(field) && problem.message == message)
    }

    /// What was found elsewhere.
    pub(super) fn add(&mut self, problem: FieldError) {
        self.0.push(problem);
    }

    /// All that was found.
    pub(super) fn into_problems(self) -> Vec<FieldError> {
        self.0
    }

    /// `value`, unless something was found.
    pub(super) fn unless_any<T>(self, value: T) -> Result<T, FieldErrorList> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(FieldErrorList(self.0))
        }
    }
}
