use super::*;
use crate::onnx::Model;

fn node(op: &str, inputs: &[&str]) -> Node {
    Node::new(op, inputs, "y", Vec::new())
}

fn writer() -> Writer<'static> {
    let x = Value { code: "x".into(), kind: Kind::Parameters, rank: 3 };
    Writer { values: HashMap::from([("x", x)]), ..Writer::default() }
}

#[test]
fn bundled_networks_are_written() {
    for bytes in [
        &include_bytes!("../../../../models/msd-musicnn-1.onnx")[..],
        include_bytes!("../../../../models/mtt-musicnn-1.onnx"),
    ] {
        let graph = Model::read(bytes).unwrap().graph;
        let module = module(&graph, &["predictions", "embeddings"]).unwrap();
        let code = module.code("Dict[str, Tensor]");
        assert!(code.contains("torch.constant_pad_nd(") && code.contains(", [0, 0, 63, 64], 0)"), "{code}");
        assert!(code.contains("return {\"predictions\": v"), "{code}");
        let error = super::module(&graph, &["nothing"]).unwrap_err();
        assert!(error.contains("nothing computes its input \"nothing\""), "{error}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let refusal = |node: Node| {
        let node = Box::leak(Box::new(node));
        writer().node(node).unwrap_err()
    };
    assert!(refusal(node("Einsum", &["x"])).contains("no such operator"));
    assert!(refusal(node("Relu", &["elsewhere"])).contains("\"elsewhere\""));
    assert!(refusal(node("Relu", &[])).contains("no input 0"));
    let saying = |op: &str, inputs: &[&str], name: &str, number: i64| {
        Node::new(op, inputs, "y", vec![Attribute::of_int(name, number)])
    };
    assert!(refusal(saying("Add", &["x", "x"], "broadcast", 1)).contains("attribute broadcast"));
    assert!(refusal(saying("Cast", &["x"], "to", 10)).contains("type 10"));
    assert!(refusal(saying("Gemm", &["x", "w", "b"], "transA", 1)).contains("more than a dense layer"));
    assert!(refusal(saying("ReduceMax", &["x"], "keepdims", 0)).contains("no axes"));
    // An operator of another domain with a known name is another operator.
    let foreign = Node { domain: Some("com.microsoft".into()), ..node("Relu", &["x"]) };
    assert!(refusal(foreign).contains("no such operator"));
}

#[test]
fn parameters_have_names_of_their_own() {
    let mut writer = writer();
    assert_eq!(writer.parameter("a.b", &[1], &[1.0]), "self.a_b");
    assert_eq!(writer.parameter("a/b", &[1], &[2.0]), "self.a_b_");
    assert_eq!(writer.parameter("a.b", &[1], &[1.0]), "self.a_b");
    assert_eq!(writer.parameter("1", &[1], &[3.0]), "self.w_1");
    assert_eq!(writer.parameter("lambda", &[1], &[4.0]), "self.w_lambda");
    assert_eq!(writer.parameter("training", &[1], &[5.0]), "self.w_training");
    assert_eq!(writer.module.parameters.len(), 5);
}

#[test]
fn constants_are_whole() {
    let tensor = |dims: &[i64], data_type, bytes: usize| {
        let tensor = Tensor::raw("w", &[], data_type, vec![0; bytes]);
        Tensor { dims: dims.to_vec(), ..tensor }
    };
    let refusal = |tensor: Tensor| Constant::read(&tensor).err().unwrap();
    assert_eq!(Constant::read(&tensor(&[2, 3], element::F16, 12)).unwrap().values, [0.0; 6]);
    assert!(refusal(tensor(&[2, 3], element::F32, 26)).contains("26 bytes"));
    assert!(refusal(tensor(&[2, 3], element::F16, 13)).contains("13 bytes"));
    assert!(refusal(tensor(&[2, 3], element::F32, 20)).contains("5 values for the shape [2, 3]"));
    assert!(refusal(tensor(&[-1], element::F32, 0)).contains("shape [-1]"));
    assert!(refusal(tensor(&[i64::MAX, i64::MAX], element::F32, 0)).contains("0 values"));
    assert!(refusal(tensor(&[1], element::I64, 8)).contains("neither in single nor"));
    let elsewhere = Tensor { data_location: Some(1), ..tensor(&[1], element::F32, 4) };
    assert!(refusal(elsewhere).contains("another file"));
}

/// The code of a graph with the input `x` and the output `y`.
fn code(row: &[usize], node: Vec<Node>, initializer: Vec<Tensor>) -> Result<String, String> {
    let (input, output) = (vec![ValueInfo::rows("x", row)], vec![ValueInfo::rows("y", &[1])]);
    let graph = Graph { node, initializer, input, output, ..Graph::default() };
    Ok(module(&graph, &["y"])?.code("Dict[str, Tensor]"))
}

fn ints(name: &str, dims: &[usize], values: &[i64]) -> Tensor {
    Tensor::raw(name, dims, element::I64, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

fn floats(name: &str, dims: &[usize], values: &[f32]) -> Tensor {
    Tensor::raw(name, dims, element::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

fn to(op: &str, inputs: &[&str], output: &str, attributes: Vec<Attribute>) -> Node {
    Node::new(op, inputs, output, attributes)
}

#[test]
fn inputs_of_other_ranks_are_reshaped() {
    let relu = || vec![to("Relu", &["x"], "y", Vec::new())];
    assert!(code(&[128, 96], relu(), Vec::new()).unwrap().contains("v1 = torch.relu(x)"));
    let text = code(&[40, 256, 1], relu(), Vec::new()).unwrap();
    assert!(text.contains("v1 = torch.reshape(x, [-1, 40, 256, 1])\n    v2 = torch.relu(v1)"), "{text}");
    // Tokens are given out as rows.
    assert!(text.contains("return {\"y\": torch.flatten(torch.to(v2, 6), 1, -1)}"), "{text}");
    assert!(code(&[1024], relu(), Vec::new()).unwrap().contains("torch.reshape(x, [-1, 1024])"));
}

#[test]
fn shapes_follow_the_batch() {
    let attribute = |name: &str, value| vec![Attribute::of_int(name, value)];
    let nodes = vec![
        to("Shape", &["x"], "shape", Vec::new()),
        to("Gather", &["shape", "zero"], "n", attribute("axis", 0)),
        to("Unsqueeze", &["n", "axis"], "list", Vec::new()),
        to("Concat", &["list", "rest"], "joined", attribute("axis", 0)),
        to("Equal", &["joined", "minus"], "is_open", Vec::new()),
        to("Where", &["is_open", "one", "joined"], "picked", Vec::new()),
        to("Reshape", &["x", "joined"], "a", Vec::new()),
        to("Expand", &["a", "picked"], "y", Vec::new()),
    ];
    let tensors = vec![
        ints("zero", &[], &[0]),
        ints("axis", &[1], &[0]),
        ints("rest", &[2], &[3, -1]),
        ints("minus", &[1], &[-1]),
        ints("one", &[1], &[1]),
    ];
    let text = code(&[2, 3], nodes, tensors).unwrap();
    assert!(text.contains("v1 = torch.reshape(x, [torch.size(x, 0), 3, -1])"), "{text}");
    // The open length became 1, which keeps what there is.
    assert!(text.contains("torch.expand(torch.to(v1, 6), [torch.size(x, 0), 3, -1])"), "{text}");
}

#[test]
fn a_fixed_batch_becomes_any() {
    let reshaped = |shape: &[i64]| {
        let mut input = ValueInfo::rows("x", &[2, 3]);
        let shape_of = input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
        shape_of.dim[0].dim_value = Some(4);
        let graph = Graph {
            node: vec![to("Reshape", &["x", "shape"], "y", Vec::new())],
            initializer: vec![ints("shape", &[shape.len()], shape)],
            input: vec![input],
            ..Graph::default()
        };
        module(&graph, &["y"]).unwrap().code("Dict[str, Tensor]")
    };
    assert!(reshaped(&[4, 6]).contains("torch.reshape(x, [-1, 6])"));
    assert!(reshaped(&[4, -1]).contains("torch.reshape(x, [torch.size(x, 0), -1])"));
    assert!(reshaped(&[0, 6]).contains("torch.reshape(x, [torch.size(x, 0), 6])"));
    assert!(reshaped(&[8, 3]).contains("torch.reshape(x, [8, 3])"));
}

#[test]
fn batch_norm_becomes_part_of_a_convolution() {
    let norm = |epsilon| vec![Attribute::of_float("epsilon", epsilon)];
    let build = |source: &str, more: Option<Node>| {
        let mut node = vec![
            to("Conv", &["x", "w"], source, Vec::new()),
            to("BatchNormalization", &["z", "scale", "shift", "mean", "variance"], "y", norm(0.0)),
        ];
        node.extend(more);
        let initializer = vec![
            floats("w", &[2, 1, 1], &[3.0, 5.0]),
            floats("scale", &[2], &[2.0, 1.0]),
            floats("shift", &[2], &[0.5, 0.0]),
            floats("mean", &[2], &[1.0, -1.0]),
            floats("variance", &[2], &[4.0, 0.25]),
        ];
        let input = vec![ValueInfo::rows("x", &[1, 7])];
        module(&Graph { node, initializer, input, ..Graph::default() }, &["y"]).unwrap()
    };
    let folded = build("z", None);
    let values: Vec<&[f32]> = folded.parameters.iter().map(|parameter| &parameter.values[..]).collect();
    assert_eq!(values, [&[3.0, 10.0][..], &[-0.5, 2.0]]);
    // Not where something else reads the convolution.
    let other = build("z", Some(to("Relu", &["z"], "other", Vec::new())));
    let values: Vec<&[f32]> = other.parameters.iter().map(|parameter| &parameter.values[..]).collect();
    assert_eq!(values, [&[3.0, 5.0][..], &[1.0, 2.0], &[-0.5, 2.0]]);
}

#[test]
fn numbers_are_written_exactly() {
    let half = || vec![floats("c", &[], &[1e-6])];
    let with =
        |op: &str, inputs: [&str; 2]| code(&[2, 3], vec![to(op, &inputs, "y", Vec::new())], half()).unwrap();
    assert!(with("Add", ["x", "c"]).contains("torch.add(torch.to(x, 6), 9.999999974752427e-7)"));
    assert!(with("Sub", ["c", "x"]).contains("torch.rsub(torch.to(x, 6), 9.999999974752427e-7)"));
    assert!(with("Div", ["c", "x"]).contains("torch.mul(torch.reciprocal(torch.to(x, 6)), "));
    assert!(with("Max", ["c", "x"]).contains("torch.clamp(torch.to(x, 6), 9.999999974752427e-7, None)"));
    assert!(with("Min", ["x", "c"]).contains("torch.clamp(torch.to(x, 6), None, 9.999999974752427e-7)"));
    assert!(with("Max", ["x", "x"]).contains("torch.maximum(torch.to(x, 6), torch.to(x, 6))"));
}

#[test]
fn what_depends_on_more_than_the_batch_is_refused() {
    let refusal = |op: &str, inputs: &[&str], attributes: Vec<Attribute>| {
        let tensors = vec![
            ints("back", &[1], &[-1]),
            ints("first", &[1], &[0]),
            ints("table", &[2, 1], &[0, 1]),
            floats("w", &[2, 1, 3, 3], &[0.5; 18]),
        ];
        code(&[1, 8, 6], vec![to(op, inputs, "y", attributes)], tensors).unwrap_err()
    };
    let int = |name: &str, value| vec![Attribute::of_int(name, value)];
    let list = |name: &str, values: &[i64]| vec![Attribute::of_ints(name, values.to_vec())];
    assert!(refusal("Softmax", &["x"], int("axis", 1)).contains("not over the last axis"));
    assert!(refusal("Softmax", &["x"], Vec::new()).contains("not over the last axis"));
    assert!(refusal("Slice", &["x", "first", "back", "first", "back"], Vec::new()).contains("backwards"));
    assert!(refusal("Gather", &["x", "table"], Vec::new()).contains("short list"));
    assert!(refusal("Gather", &["x", "x"], Vec::new()).contains("computed"));
    assert!(refusal("Reshape", &["x", "x"], Vec::new()).contains("not computed from lengths"));
    assert!(refusal("Flatten", &["x"], int("axis", 2)).contains("keep the batch"));
    assert!(refusal("Transpose", &["x"], list("perm", &[0, 1, 1, 2])).contains("[0, 1, 1, 2]"));
    assert!(refusal("MaxPool", &["x"], list("kernel_shape", &[2])).contains("4 axes"));
    assert!(refusal("ReduceMax", &["x"], list("axes", &[4])).contains("the axis 4"));
    let same =
        Attribute { name: Some("auto_pad".into()), s: Some("SAME_UPPER".into()), ..Attribute::default() };
    let strided = vec![same, Attribute::of_ints("strides", vec![2, 2])];
    assert!(refusal("Conv", &["x", "w"], strided).contains("padding depends on its input"));
    assert!(refusal("Pad", &["x", "back"], Vec::new()).contains("its pads are [-1]"));
}
