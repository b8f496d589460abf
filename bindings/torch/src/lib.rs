//! TorchScript models on CPU and CUDA, through libtorch.

#[cfg(test)]
mod tests {
    #[test]
    fn libtorch_is_found_and_counts() {
        let x = tch::Tensor::from_slice(&[1.0f32, 2.0]);
        assert_eq!((&x * 2).sum(tch::Kind::Float).double_value(&[]), 6.0);
    }
}
