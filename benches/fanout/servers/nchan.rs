//! nginx with nchan, as Debian packages it.

use std::{fs, net::SocketAddr, path::Path};

use rustix::process::getuid;
use tempfile::TempDir;

use super::{Server, free_address};
use crate::{certificate::Files, limits, serve::THREADS};

const NGINX: &str = "/usr/sbin/nginx";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

pub fn is_installed() -> bool {
    [NGINX, MODULE].iter().all(|file| Path::new(file).exists())
}

pub fn start() -> Server {
    start_in(tempfile::tempdir().expect("a directory"), ["", ""])
}

pub fn start_encrypted() -> Server {
    let files = Files::new();
    let settings = format!(
        "ssl_protocols TLSv1.2 TLSv1.3;
                ssl_certificate {};
                ssl_certificate_key {};",
        files.certificate, files.key
    );
    start_in(files.directory, ["ssl", &settings])
}

/// With these words for its listener and its server.
fn start_in(directory: TempDir, words: [&str; 2]) -> Server {
    let path = directory
        .path()
        .to_str()
        .expect("a path of text")
        .to_owned();
    let address = free_address();
    let file = format!("{path}/nginx.conf");
    fs::write(&file, configuration(&path, address, words)).expect("a file");
    let error_log = format!("{path}/error.log");
    let args = ["-p", &path, "-c", &file, "-e", &error_log];
    Server::other(NGINX, &args, address, directory)
}

fn configuration(path: &str, address: SocketAddr, [ssl, certificate]: [&str; 2]) -> String {
    // As root, nginx would run its workers as a user who may not write to the directory.
    let user = if getuid().is_root() { "user root;" } else { "" };
    let descriptors = limits::descriptors();
    // A connection is kept free for each listener and channel between the workers.
    let connections = descriptors - 100;
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {path}/{name};"))
        .join(" ");
    format!(
        "load_module {MODULE};
        {user}
        daemon off;
        worker_processes {THREADS};
        worker_rlimit_nofile {descriptors};
        error_log {path}/error.log warn;
        pid {path}/pid;
        events {{ worker_connections {connections}; }}
        http {{
            access_log off;
            {temporary}
            keepalive_requests 1000000000;
            nchan_shared_memory_size 256m;
            server {{
                listen {address} {ssl} reuseport backlog=4096;
                {certificate}
                location = /health/live {{ return 200 ok; }}
                location = /events {{
                    nchan_publisher http;
                    nchan_subscriber eventsource;
                    nchan_channel_id $arg_topic;
                    nchan_subscriber_first_message newest;
                    nchan_message_buffer_length 1000;
                }}
            }}
        }}"
    )
}
