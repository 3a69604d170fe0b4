//! The same routes, served by actix-web or by axum.

use std::{
    net::SocketAddr,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use actix_web::{App, HttpServer, web};
use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
use sse_broadcaster_actix::AppState;
use tokio::sync::oneshot;

use crate::support::PATIENCE;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(
        serve: impl FnOnce(mpsc::Sender<SocketAddr>, oneshot::Receiver<()>) + Send + 'static,
    ) -> Self {
        let (bound, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || serve(bound, stopped));
        Self {
            address: address.recv_timeout(PATIENCE).expect("it is bound"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn actix(configure: impl FnOnce(AppState) -> AppState + Send + 'static) -> Self {
        Self::start(move |bound, stopped| {
            actix_web::rt::System::new().block_on(async move {
                let routes = sse_broadcaster_actix::Routes::new(configure(state()));
                let app = move || {
                    let routes = routes.clone();
                    App::new()
                        .service(web::scope("/api").configure(|config| routes.configure(config)))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.bind(("127.0.0.1", 0)).unwrap();
                bound.send(server.addrs()[0]).unwrap();
                let server = server.shutdown_timeout(0).run();
                let handle = server.handle();
                tokio::spawn(async move {
                    let _ = stopped.await;
                    handle.stop(false).await;
                });
                server.await.unwrap();
            });
        })
    }

    pub(crate) fn axum(configure: impl FnOnce(AppState) -> AppState + Send + 'static) -> Self {
        Self::start(move |bound, stopped| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async move {
                let routes = sse_broadcaster_axum::Routes::new(configure(state()));
                let api = axum::Router::new().nest("/api", routes.router());
                let service = api.into_make_service_with_connect_info::<SocketAddr>();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    served = std::future::IntoFuture::into_future(axum::serve(listener, service)) => served.unwrap(),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn state() -> AppState {
    let memory = Memory::new(Retention::default());
    let broadcaster = Broadcaster::start(memory, Options::default()).unwrap();
    AppState::new(&broadcaster)
}
