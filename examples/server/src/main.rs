//! The program: opens a library and serves it until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use sleeve_server::routes;
use sleeve_server::state::Shared;
use tokio::net::TcpListener;

/// Answer over HTTP which tracks of a library sound alike
///
/// There are no accounts, no passwords and no encryption. Whoever can reach the address can read paths and tags of the
/// whole library. To open it to others, put a server with accounts in front of it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The library file that `sleeve similar index` wrote. It is opened again when it changes
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,

    /// Address and port. With another address than that of this machine alone, others can reach it
    #[arg(long, default_value = "127.0.0.1:4040", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let shared = Shared::open(&arguments.library)?;
    let listener = TcpListener::bind(arguments.listen);
    let listener = listener.await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    println!("http://{address}: {} tracks", shared.now().library.len());
    if !address.ip().is_loopback() {
        eprintln!("others can reach this address, and there are no accounts");
    }
    tokio::spawn(shared.clone().follow());
    let stopped = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, routes(shared)).with_graceful_shutdown(stopped).await?;
    Ok(())
}
