//! The shipped configurations, and errors in others.

use super::*;
use crate::pairs::Association;

fn fault(text: &str, changes: &[&str]) -> String {
    match Config::parse(text, changes) {
        Err(Fault::File(reason) | Fault::Change(reason)) => reason,
        Ok(config) => panic!("accepted: {config:?}"),
    }
}

fn text(name: &str) -> &'static str {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap().1
}

#[test]
fn the_files_for_small_collections_can_be_run_and_say_how_they_differ() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/debian");
    for (name, paper) in SHIPPED {
        let path = format!("{folder}/{name}.toml");
        let config = Config::load_with::<&str>(&path, &[]).unwrap();
        let paper = Config::parse::<&str>(paper, &[]).unwrap();
        // The same model with other training parameters.
        assert_eq!(config.model, paper.model, "{name}");
        assert_eq!(config.objective.associations().len(), paper.objective.associations().len(), "{name}");
        assert!(config.run.epochs < paper.run.epochs && config.run.groups == 1, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), SHIPPED.len());
}

#[test]
fn the_shipped_files_hold_the_values_of_the_paper() {
    for (name, text) in SHIPPED {
        let config = Config::shipped(name).unwrap();
        assert_eq!(config.model.name, name);
        assert_eq!((config.model.frames, config.model.bands, config.model.embedding), (128, 96, 1280));
        assert_eq!((config.run.epochs, config.run.groups), (100, 6));
        assert_eq!((config.swa.epochs, config.swa.learning_rate), (25, 1e-3));
        let Optimizer { learning_rate, beta1, beta2, epsilon, weight_decay, .. } = config.optimizer;
        assert_eq!((learning_rate, beta1, beta2, epsilon, weight_decay), (1e-3, 0.9, 0.999, 1e-8, 0.0));
        assert_eq!((config.schedule.factor, config.schedule.patience), (0.1, 10));
        let Data { crops, redraw_pairs, mask_related, artist_unique, least_steps, .. } = config.data;
        assert_eq!((crops, redraw_pairs || mask_related || artist_unique, least_steps), (1, false, 0));
        // Written and read back, it is the same.
        let again = Config::parse::<&str>(&config.to_toml().unwrap(), &[]).unwrap();
        assert_eq!(again, Config::parse::<&str>(text, &[]).unwrap());
        let json = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), again);
    }
    for association in Association::ALL {
        let config = Config::shipped(association.name()).unwrap();
        let Objective::Contrastive(Contrastive { projection, .. }) = config.objective else { panic!() };
        assert_eq!(projection, 512);
        assert_eq!(config.objective.associations(), [Task { name: association, weight: 1.0, pairs: 200 }]);
    }
    let Objective::Tags(tags) = Config::shipped("tags").unwrap().objective else { panic!() };
    assert_eq!(tags.classes, 400);
    let Objective::Multitask(multitask) = Config::shipped("multitask").unwrap().objective else { panic!() };
    assert_eq!(multitask.encoder.epoch, 20);
    let tasks: Vec<_> =
        multitask.associations.iter().map(|task| (task.name.name(), task.weight, task.pairs)).collect();
    assert_eq!(tasks, [("track", 0.1, 50), ("release", 0.15, 50), ("artist", 0.6, 50), ("label", 0.15, 50)]);
    assert!(Config::shipped("mood").is_none());
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    let artist = text("artist");
    for (wrong, right, key, near) in [
        ("learning_rat =", "learning_rate =", "optimizer.learning_rat", "optimizer.learning_rate"),
        ("epoch =", "epochs =", "swa.epoch", "swa.epochs"),
        ("weigth =", "weight =", "objective.associations.weigth", "objective.associations.weight"),
        ("[modle]", "[model]", "modle", "model"),
        ("loader_thread =", "loader_threads =", "data.loader_thread", "data.loader_threads"),
    ] {
        let reason = fault(&artist.replacen(right, wrong, 1), &[]);
        assert!(reason.contains(&format!("`{key}`")) && reason.contains(&format!("`{near}`")), "{reason}");
    }
    // A key in the wrong section.
    let reason = fault(&artist.replace("[run]\n", "[run]\npatience = 3\n"), &[]);
    assert_eq!(reason, "unknown key `run.patience`; the nearest is `schedule.patience`");
    // A key of another objective.
    let reason = fault(&artist.replace("projection = 512", "projection = 512\nclasses = 400"), &[]);
    assert!(reason.contains("unknown key `objective.classes`"), "{reason}");
}

#[test]
fn missing_keys_and_wrong_values_are_named() {
    let artist = text("artist");
    for (from, to, reason) in [
        ("seed = 0\n", "", "the key `run.seed` is missing"),
        ("weight = 1.0\n", "", "the key `objective.associations.weight` is missing"),
        ("kind = \"contrastive\"", "", "the key `objective.kind` is missing"),
        (
            "kind = \"contrastive\"",
            "kind = \"constrastive\"",
            "it must be contrastive, tags, multitask or distil",
        ),
        ("kind = \"contrastive\"", "kind = 3", "not a string"),
        ("name = \"artist\" # a pair", "name = \"artits\" # a pair", "artits"),
        ("groups = 6", "groups = 0", "run.groups is 0; it must be 1 to"),
        ("groups = 6", "groups = -6", "-6"),
        ("groups = 6", "groups = \"six\"", "six"),
        ("epochs = 100", "epochs = 10", "swa.epochs is 25, more than the run has"),
        ("frames = 128", "frames = 187", "model.frames is 187; efficientnet-b0 has 128"),
        ("dropout = 0.2", "dropout = 0.5", "model.dropout is 0.5"),
        ("efficientnet-b0\" ", "musicnn\" ", "model.architecture is `musicnn`"),
        ("device = \"auto\"", "device = \"gpu\"", "run.device is \"gpu\""),
        ("precision = \"auto\"", "precision = \"fp8\"", "fp8"),
        ("learning_rate = 1e-3\nbeta1", "learning_rate = nan\nbeta1", "optimizer.learning_rate is NaN"),
        ("factor = 0.1", "factor = 1.5", "schedule.factor is 1.5"),
        ("pairs = 200", "pairs = 1", "objective.associations.artist.pairs is 1"),
        ("weight = 1.0", "weight = -1.0", "objective.associations.artist.weight is -1"),
        ("[run]", "[run", "TOML parse error"),
        ("[swa]", "[[swa]]", "`swa` is not a section [swa]"),
    ] {
        let changed = artist.replacen(from, to, 1);
        assert_ne!(changed, artist, "{from}");
        let said = fault(&changed, &[]);
        assert!(said.contains(reason) && !said.contains('\n'), "{from}: {said}");
    }
    assert!(fault("", &[]).contains("is missing"));
    let twice = text("multitask").replace("name = \"label\"", "name = \"artist\"");
    assert!(fault(&twice, &[]).contains("artist occurs twice"));
    let several = text("multitask").replace("kind = \"multitask\"", "kind = \"contrastive\"");
    assert!(
        fault(&several, &[]).contains("unknown key `objective.e"),
        "a key of another objective is unknown"
    );
    let masked = text("tags").replace("mask_related = false", "mask_related = true");
    assert!(fault(&masked, &[]).contains("data.mask_related is only for pairs"));
}

#[test]
fn values_are_changed_for_a_run() {
    let changes = ["run.epochs=3", "swa.epochs = 0", "optimizer.learning_rate=1", "run.device=cpu"];
    let config = Config::parse(text("artist"), &changes).unwrap();
    assert_eq!((config.run.epochs, config.optimizer.learning_rate, &*config.run.device), (3, 1.0, "cpu"));
    let changes = ["objective.associations.label.pairs=7", "objective.associations.0.pairs=8"];
    let config = Config::parse(text("multitask"), &changes).unwrap();
    let pairs: Vec<usize> = config.objective.associations().iter().map(|task| task.pairs).collect();
    assert_eq!(pairs, [8, 50, 50, 7]);
    for (change, reason) in [
        ("run.epochs", "not KEY=VALUE"),
        ("run.epoch=3", "nearest is `run.epochs`"),
        ("objective.associations.mood.pairs=3", "unknown key"),
        ("objective.associations.9.pairs=3", "unknown key"),
        ("run.epochs.more=3", "unknown key"),
        ("=3", "unknown key"),
        ("run.epochs=many", "many"),
        ("run.epochs=0", "run.epochs is 0"),
    ] {
        let said = fault(text("artist"), &[change]);
        assert!(said.contains(reason), "{change}: {said}");
    }
}

#[test]
fn files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    assert!(Config::load(&path).unwrap_err().to_string().contains("mine.toml"));
    std::fs::write(&path, "x = 1").unwrap();
    let said = Config::load(&path).unwrap_err().to_string();
    assert!(said.contains("mine.toml: unknown key `x`"), "{said}");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("mine.toml"));
    std::fs::write(&path, text("label")).unwrap();
    assert_eq!(Config::load(&path).unwrap(), Config::shipped("label").unwrap());
    let said = Config::load_with(&path, &["a=b"]).unwrap_err().to_string();
    assert!(said.starts_with("--set a=b: unknown key"), "{said}");
}
