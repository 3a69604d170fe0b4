//! The same routes, served by actix-web or by axum.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use actix_web::{App, HttpServer, web};
use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
use sse_broadcaster_access::keys::Keys;
use sse_broadcaster_actix::{AppState, Hub, HubKeys, HubOptions, SubscribeAccess};
use tokio::sync::oneshot;

use crate::support::PATIENCE;

/// Of the hub.
pub(crate) const HUB_KEY: &str = "HS256 !ChangeThisMercureHubJWTSecretKey!";

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
                let hub = sse_broadcaster_actix::HubRoutes::new(hub(), routes.state());
                let app = move || {
                    let (routes, hub) = (routes.clone(), hub.clone());
                    App::new()
                        .service(web::scope("/api").configure(|config| routes.configure(config)))
                        .configure(|config| hub.configure(config))
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
                let hub = sse_broadcaster_axum::HubRoutes::new(hub(), routes.state());
                let api = axum::Router::new().nest("/api", routes.router());
                let api = api.merge(hub.router());
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

/// A hub whose publishers and subscribers have one key.
fn hub() -> Arc<Hub> {
    let key = Keys::parse(HUB_KEY).unwrap();
    let keys = HubKeys::default().publisher(key.clone()).subscriber(key);
    let access = SubscribeAccess::PrivateEvents;
    Arc::new(Hub::new(keys, access, HubOptions::default()))
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
