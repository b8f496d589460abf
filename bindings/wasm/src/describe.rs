//! Objects as JSON. The field names are those of `package/index.d.ts`.

use serde_json::{Value, json};
use sleeve::engine::Purpose;
use sleeve::extractor::{Analysis, Extractor, OutputInfo};
use sleeve::front_end::FrontEnd;
use sleeve::model::Model;

pub fn module(bundled: &str) -> Value {
    let front_ends: Vec<Value> = FrontEnd::ALL
        .iter()
        .map(|front_end| {
            json!({
                "name": front_end.name(),
                "sampleRate": front_end.sample_rate(),
                "frameSize": front_end.frame_size(),
                "hop": front_end.hop(),
                "bands": front_end.bands(),
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "vectors": if cfg!(target_feature = "relaxed-simd") {
            "relaxed-simd"
        } else if cfg!(target_feature = "simd128") {
            "simd128"
        } else {
            "none"
        },
        "bundled": [bundled],
        "frontEnds": front_ends,
    })
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Predictions => "predictions",
        Purpose::Embeddings => "embeddings",
        Purpose::Other => "other",
    }
}

pub fn model(model: &Model) -> Value {
    let outputs: Vec<Value> = model
        .outputs()
        .iter()
        .map(|output| json!({ "name": output.name, "purpose": purpose(output.purpose), "dim": output.dim }))
        .collect();
    json!({
        "name": model.name(),
        "sha256": model.sha256(),
        "classes": model.classes(),
        "frontEnd": model.front_end().map(FrontEnd::name),
        "sampleRate": model.sample_rate(),
        "outputs": outputs,
        "warnings": model.warnings(),
    })
}

pub fn extractor(extractor: &Extractor) -> Value {
    let outputs: Vec<Value> = extractor.outputs().map(output).collect();
    json!({
        "engine": extractor.engine().describe(),
        "frontEnd": extractor.front_end().name(),
        "outputs": outputs,
        "patchSeconds": extractor.patching().duration(),
        "hopSeconds": extractor.patching().time(1),
        "warnings": extractor.warnings(),
    })
}

fn output(info: &OutputInfo) -> Value {
    json!({
        "tensor": info.tensor,
        "purpose": purpose(info.purpose),
        "dim": info.dim,
        "classes": info.classes,
    })
}

pub fn analysis(analysis: &Analysis) -> Value {
    let outputs: Vec<Value> = analysis.outputs().iter().map(|rows| output(&rows.info)).collect();
    json!({ "times": analysis.times(), "outputs": outputs, "warnings": analysis.warnings() })
}
