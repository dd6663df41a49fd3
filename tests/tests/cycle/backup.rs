//! Books that are lost, and restored from a backup that is some hours old.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use end_to_end::{mysql_database, mysql_server, python};
use hubspot_simulator::{Kind, Settings};
use report_worker::cycle::App;
use report_worker::store::{Books, Engine, Store};
use url::Url;

use crate::reconcile::compare;
use crate::world::{World, crm, row, titles};

/// Backs the books up while they are in use: what `sqlite3 FILE ".backup COPY"` does, or a dump.
async fn back_up(world: &World) -> PathBuf {
    let backup = world.folder.path().join("backup");
    let command = match crate::ENGINE {
        Engine::Sqlite => {
            let mut sqlite = Command::new(python());
            let program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))";
            sqlite.args(["-c", program]).arg(world.folder.path().join("books.sqlite")).arg(&backup);
            sqlite
        }
        Engine::MySql => {
            let database = world.ask("SELECT DATABASE()").await.remove(0);
            let mut dump = mariadb("mariadb-dump", &database);
            dump.arg("--single-transaction").stdout(File::create(&backup).unwrap());
            dump
        }
    };
    succeed(command);
    backup
}

/// Restores it into an empty place.
async fn restore(world: &World, backup: &Path) -> Books {
    match crate::ENGINE {
        Engine::Sqlite => {
            let books = world.folder.path().join("restored.sqlite");
            std::fs::copy(backup, &books).unwrap();
            Books::Sqlite(books)
        }
        Engine::MySql => {
            let url = mysql_database().await;
            let mut load = mariadb("mariadb", url.rsplit('/').next().unwrap());
            load.stdin(File::open(backup).unwrap());
            succeed(load);
            url.parse().unwrap()
        }
    }
}

/// A client program of MariaDB on this database.
fn mariadb(program: &str, database: &str) -> Command {
    let server = Url::parse(&mysql_server()).unwrap();
    let mut command = Command::new(program);
    command.args(["--no-defaults", "--user=root", "--protocol=tcp", "--skip-ssl"]).arg(database);
    command.arg(format!("--host={}", server.host_str().unwrap())).arg(format!("--port={}", server.port().unwrap()));
    command.stdin(Stdio::null());
    command
}

fn succeed(mut command: Command) {
    let ended = command.status().unwrap();
    assert!(ended.success(), "{command:?}: {ended}");
}

/// The finance changes in the books, whenever they were noticed.
async fn changes(world: &World) -> BTreeSet<String> {
    let rows = world.ask("SELECT CONCAT(kind, ' ', record_id, ' ', change_kind, ' ', effective_at) FROM changes").await;
    let changes: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(changes.len(), rows.len());
    changes
}

#[tokio::test]
async fn older_books_catch_up_with_hubspot_and_tell_again_only_what_came_after_them() {
    let won = |name| [("dealname", name), ("amount", "100"), ("dealstage", "closedwon")];
    let mut world = World::open(|_| {}).await;
    let before = world.create(Kind::Deal, &won("Before")).await;
    world.report().await;
    let backup = back_up(&world).await;

    // Told after the backup; known to the books and not told yet; and in the queue when the books go.
    world.create(Kind::Deal, &won("After")).await;
    world.set(Kind::Deal, before, &[("amount", "130")]).await;
    world.report().await;
    world.create(Kind::Invoice, &[("hs_invoice_status", "open"), ("hs_amount_billed", "7")]).await;
    world.cycle().await;
    let told = world.subjects().len();
    assert_eq!((told, changes(&world).await.len()), (2, 4));
    let known = changes(&world).await;
    world.create(Kind::Deal, &won("Queued")).await;

    let store = Store::open(&restore(&world, &backup).await).await.unwrap();
    let crm = crm(&world.simulator, &Settings::default().access_token);
    // The process, too, is a new one.
    world.app = App::new(world.app.queue, store, crm, world.app.mailer, world.app.settings);
    assert_eq!(changes(&world).await.len(), 1, "the books of the backup");
    assert_eq!(world.cycle().await.changes, 1, "what was in the queue");
    // What is older than ten minutes has no event on its way any more.
    world.clock.advance(600_001);
    assert_eq!(compare(&world, true).await.1, ["deal missing", "deal other amount", "invoice missing"]);
    world.report().await;
    let caught_up = changes(&world).await;
    assert!(caught_up.is_superset(&known) && caught_up.len() == known.len() + 1, "{caught_up:#?} after {known:#?}");
    assert_eq!(compare(&world, false).await.1, [""; 0]);

    // The deal of the queue and the invoice, which nobody knew; and once more what had been told since the backup: a deal, and the
    // correction of another. What was told before it is not told again.
    assert_eq!(world.subjects().len(), told + 3);
    let again = world.newest("closed-deals").await;
    assert_eq!(titles(&again), ["Corrections", "Won"]);
    let names = ["Corrections", "Won"].map(|title| row(&again, title).name.clone());
    assert_eq!(names, ["Before", "After"]);
}
