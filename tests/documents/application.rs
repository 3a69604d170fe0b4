//! The page about access control, with its application beside the commands.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command},
};

use super::commands::{Follower, document};
use crate::support::{Server, free_port, wait_until};

/// The port of the application on the page.
const PORT: &str = "9000";

struct Application(Child);

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_application_and_the_commands_of_the_page_about_access_control_work() {
    let port = free_port();
    let page = document("docs/access.md").replace(PORT, &port.to_string());
    let (_, program) = page.split_once("```python\n").expect("an application");
    let (program, _) = program.split_once("```").expect("its end");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("application.py");
    fs::write(&file, program).unwrap();
    let mut python = Command::new("python3");
    let _application = Application(python.arg(&file).spawn().unwrap());
    wait_until("the application listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Follower::follow_text(Some(Server::start(&[])), &page);
}
