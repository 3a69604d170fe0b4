//! A pseudo-terminal for a test.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    process::{Child, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

pub struct Terminal {
    master: File,
    pub name: String,
}

impl Terminal {
    pub fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        Self {
            master: master.into(),
            name: name.into_string().unwrap(),
        }
    }

    pub fn master(&self) -> &File {
        &self.master
    }

    /// The terminal as standard input, output or error of a command.
    pub fn end(&self) -> Stdio {
        let end = OpenOptions::new().read(true).write(true).open(&self.name);
        end.unwrap().into()
    }

    /// All output until this command has ended. No other process may have the terminal open.
    pub fn read(mut self, mut child: Child) -> String {
        let mut shown = Vec::new();
        // Reading fails once the last handle of the terminal is closed.
        let _ = self.master.read_to_end(&mut shown);
        child.wait().unwrap();
        String::from_utf8(shown).unwrap().replace("\r\n", "\n")
    }
}
