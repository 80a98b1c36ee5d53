//! The one error type of the agent: a code of the product's closed set and a sentence that names the operation.
use std::{fmt, io};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    FailedPrecondition,
    ResourceExhausted,
    DeadlineExceeded,
    Unimplemented,
    Canceled,
    Unavailable,
    Internal,
}

impl Code {
    pub fn name(self) -> &'static str {
        match self {
            Code::InvalidArgument => "invalid_argument",
            Code::NotFound => "not_found",
            Code::AlreadyExists => "already_exists",
            Code::PermissionDenied => "permission_denied",
            Code::FailedPrecondition => "failed_precondition",
            Code::ResourceExhausted => "resource_exhausted",
            Code::DeadlineExceeded => "deadline_exceeded",
            Code::Unimplemented => "unimplemented",
            Code::Canceled => "canceled",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    /// A word for programs where the code is not enough; else empty.
    pub reason: &'static str,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Failure { code, message, reason: "" }
    }

    pub fn with_reason(self, reason: &'static str) -> Self {
        Failure { reason, ..self }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Failure::new(Code::InvalidArgument, message)
    }

    /// What the kernel said about `operation`, under the code that tells the caller what to do.
    pub fn io(operation: impl fmt::Display, error: &io::Error) -> Self {
        Failure::new(code_of(error), format!("{operation}: {}", text_of(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn text_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_string(),
        None => error.to_string(),
    }
}

fn code_of(error: &io::Error) -> Code {
    match error.raw_os_error() {
        Some(libc::ENOENT) => Code::NotFound,
        Some(libc::EEXIST | libc::ENOTEMPTY) => Code::AlreadyExists,
        Some(libc::EACCES | libc::EPERM) => Code::PermissionDenied,
        Some(libc::ENOSPC | libc::EDQUOT | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EAGAIN) => {
            Code::ResourceExhausted
        }
        Some(libc::EINVAL | libc::ENAMETOOLONG | libc::E2BIG | libc::ENOEXEC) => Code::InvalidArgument,
        Some(
            libc::ENOTDIR
            | libc::EISDIR
            | libc::EROFS
            | libc::ETXTBSY
            | libc::EXDEV
            | libc::ELOOP
            | libc::EBUSY
            | libc::ENXIO
            | libc::EFBIG
            | libc::EOPNOTSUPP,
        ) => Code::FailedPrecondition,
        None if error.kind() == io::ErrorKind::InvalidInput => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

/// Names the operation on the way up: `read(path).during(|| format!("read {path}"))`.
pub trait During<T> {
    fn during<D: fmt::Display>(self, operation: impl FnOnce() -> D) -> Outcome<T>;
}

impl<T> During<T> for io::Result<T> {
    fn during<D: fmt::Display>(self, operation: impl FnOnce() -> D) -> Outcome<T> {
        self.map_err(|error| Failure::io(operation(), &error))
    }
}

impl<T> During<T> for nix::Result<T> {
    fn during<D: fmt::Display>(self, operation: impl FnOnce() -> D) -> Outcome<T> {
        self.map_err(io::Error::from).during(operation)
    }
}
