//! Starting a process in a cgroup. The standard library can't do that, and to move it there once it
//! runs has this thread wait for all processors, 10 ms and more.
#![allow(unsafe_code, reason = "see the argument at each use")]

use std::env;
use std::ffi::{OsStr, c_char, c_int, c_long};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::sys::{self, OwnedFd};

/// Texts as `execve` takes them.
#[derive(Default)]
struct Texts {
    /// Each ends with a zero.
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Texts {
    fn add(&mut self, text: &OsStr) -> io::Result<()> {
        if text.as_bytes().contains(&0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    fn add_variable(&mut self, name: &OsStr, value: &OsStr) -> io::Result<()> {
        let mut line = name.to_owned();
        line.push("=");
        line.push(value);
        self.add(&line)
    }

    /// With a null pointer at the end. They are good as long as nothing is added.
    fn pointers(&self) -> Vec<*const c_char> {
        let mut pointers = Vec::with_capacity(self.starts.len() + 1);
        pointers.extend(self.starts.iter().map(|start| self.bytes[*start..].as_ptr().cast()));
        pointers.push(std::ptr::null());
        pointers
    }
}

/// How a child is started: the command and the name of its first argument, whether it gets no
/// variable but its own, and its mark: see [`sys::prepare`].
pub(crate) struct Start<'a> {
    pub(crate) command: &'a Command,
    pub(crate) name: &'a OsStr,
    pub(crate) is_env_cleared: bool,
    pub(crate) mark: u64,
}

impl Start<'_> {
    /// Starts it in a cgroup, with these as its standard input, output and error; its process id.
    /// `None` if the system makes no process there. On the main thread only: see [`sys::prepare`].
    pub(crate) fn run(&self, cgroup: &OwnedFd, ends: &[OwnedFd; 3]) -> Option<io::Result<u32>> {
        let texts = match self.texts() {
            Ok(texts) => texts,
            Err(error) => return Some(Err(error)),
        };
        let [places, args, env] = texts.each_ref().map(Texts::pointers);
        let image = Image { places: &places, args: &args, env: &env };
        let hook = sys::hook(self.mark);
        let (told, tells) = match io::pipe() {
            Ok(ends) => ends,
            Err(error) => return Some(Err(error)),
        };
        // SAFETY: what the new process does is async-signal-safe: it makes the calls of `replace`,
        // writes a number, and ends.
        match unsafe { clone_into(cgroup) } {
            // It would be no better elsewhere.
            Err(error) if sys::shortage(&error).is_some() => Some(Err(error)),
            Err(_) => None,
            Ok(0) => {
                let error = image.replace(ends, &hook).raw_os_error().unwrap_or_default();
                let _ = sys::write(&tells, &error.to_ne_bytes());
                // SAFETY: the declaration is that of _exit(2), which runs nothing of this process.
                unsafe { _exit(1) }
            }
            Ok(pid) => {
                drop(tells);
                Some(outcome(pid, told))
            }
        }
    }

    /// The file and the working directory; the arguments; the environment.
    fn texts(&self) -> io::Result<[Texts; 3]> {
        let [mut places, mut args, mut env] = <[Texts; 3]>::default();
        places.add(self.command.get_program())?;
        if let Some(cwd) = self.command.get_current_dir() {
            places.add(cwd.as_os_str())?;
        }
        args.add(self.name)?;
        for argument in self.command.get_args() {
            args.add(argument)?;
        }
        for (name, value) in env::vars_os() {
            if !self.is_env_cleared && self.command.get_envs().all(|(other, _)| other != name) {
                env.add_variable(&name, &value)?;
            }
        }
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                env.add_variable(name, value)?;
            }
        }
        Ok([places, args, env])
    }
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn execvpe(file: *const c_char, args: *const *const c_char, env: *const *const c_char)
    -> c_int;
    fn chdir(path: *const c_char) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn _exit(status: c_int) -> !;
}

/// Makes a process that is a copy of this one, with this thread alone, in a cgroup: 0 in the copy,
/// else its number.
///
/// # Safety
///
/// Other threads may have held locks, which nobody gives back in the copy: there, only what is
/// async-signal-safe may be done.
unsafe fn clone_into(cgroup: &OwnedFd) -> io::Result<u32> {
    /// The same on all of Linux.
    const CLONE3: c_long = 435;
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    const SIGNAL: usize = 4;
    // The members of `clone_args`, from the kernel's sched.h; the last is the cgroup.
    let mut args = [0_u64; 11];
    args[0] = CLONE_INTO_CGROUP;
    args[SIGNAL] = u64::from(Signal::CHILD.as_raw().unsigned_abs());
    args[10] = u64::from(cgroup.as_raw_fd().unsigned_abs());
    // SAFETY: the declaration is that of syscall(2), and the arguments are those of clone3(2):
    // a struct that lives as long as the call, and its size. Without a stack of its own and without
    // shared memory the new process goes on here, on a copy of this stack.
    let pid = unsafe { syscall(CLONE3, args.as_ptr(), size_of_val(&args)) };
    u32::try_from(pid).map_err(|_| io::Error::last_os_error())
}

/// What a process becomes: the lists of texts of [`Start::texts`].
struct Image<'a> {
    places: &'a [*const c_char],
    args: &'a [*const c_char],
    env: &'a [*const c_char],
}

impl Image<'_> {
    /// Replaces this process, which is new, by the program. Returns only if that fails.
    fn replace(&self, ends: &[OwnedFd; 3], hook: &impl Fn() -> io::Result<()>) -> io::Error {
        if let Err(error) = self.prepare(ends).and_then(|()| hook()) {
            return error;
        }
        // SAFETY: the declaration is that of execvpe(3); the lists end with null pointers, the
        // texts with zeros, and all live as long as the call.
        unsafe { execvpe(self.places[0], self.args.as_ptr(), self.env.as_ptr()) };
        io::Error::last_os_error()
    }

    fn prepare(&self, [stdin, stdout, stderr]: &[OwnedFd; 3]) -> io::Result<()> {
        const SIG_DFL: usize = 0;
        dup2_stdin(stdin.as_fd())?;
        dup2_stdout(stdout.as_fd())?;
        dup2_stderr(stderr.as_fd())?;
        // SAFETY: the declaration is that of chdir(2), and the text ends with a zero.
        if !self.places[1].is_null() && unsafe { chdir(self.places[1]) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the declaration is that of signal(2), with a handler as a plain number. This
        // program ignores SIGPIPE, as every Rust program does.
        unsafe { signal(Signal::PIPE.as_raw(), SIG_DFL) };
        Ok(())
    }
}

/// Waits until the new process has become the program, or has told why it can't.
fn outcome(pid: u32, mut told: io::PipeReader) -> io::Result<u32> {
    let mut code = [0; size_of::<i32>()];
    if told.read_exact(&mut code).is_err() {
        return Ok(pid);
    }
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    while matches!(waitpid(number, WaitOptions::empty()), Err(Errno::INTR)) {}
    Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code)))
}
