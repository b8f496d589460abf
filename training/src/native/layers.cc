#include "layers.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adam.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels.h"

namespace sleeve {

namespace {

using at::Tensor;
using kernels::Number;
using lanes::Bfloat16;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Values in a piece, so small that it stays in a core's cache between two passes.
constexpr std::int64_t PIECE = 1 << 15;

template <class T> constexpr at::ScalarType TYPE = at::kFloat;
template <> constexpr at::ScalarType TYPE<double> = at::kDouble;

// Calls `function` with a value of the tensor's type.
template <class F> void with_type(const Tensor &tensor, F &&function) {
  switch (tensor.scalar_type()) {
  case at::kFloat:
    return function(float());
  case at::kDouble:
    return function(double());
  case at::kBFloat16:
    return function(Bfloat16());
  default:
    TORCH_CHECK(false, "layers are computed in float, double or bfloat16, not in ", tensor.scalar_type());
  }
}

template <class T> const T *values(const Tensor &tensor) { return static_cast<const T *>(tensor.const_data_ptr()); }
template <class T> T *values_of(const Tensor &tensor) { return static_cast<T *>(tensor.mutable_data_ptr()); }

Tensor side_by_side(const Tensor &map) {
  TORCH_CHECK(map.dim() == 4 && map.size(1) >= 16 && map.device().is_cpu(), "a map on the CPU, of 16 channels or more");
  return map.contiguous(at::MemoryFormat::ChannelsLast);
}

Tensor like(const Tensor &map) { return at::empty(map.sizes(), map.options(), at::MemoryFormat::ChannelsLast); }

// A tensor in the precision of a map's sums.
Tensor numbers(const Tensor &map, at::IntArrayRef sizes) {
  return at::empty(sizes, at::TensorOptions(map.scalar_type() == at::kDouble ? at::kDouble : at::kFloat));
}

// The rows of a map, in pieces.
struct Rows {
  std::int64_t rows, channels, of_piece, pieces;

  explicit Rows(const Tensor &map)
      : rows(map.size(0) * map.size(2) * map.size(3)), channels(map.size(1)),
        of_piece(std::max<std::int64_t>(PIECE / channels, 1)), pieces((rows + of_piece - 1) / of_piece) {}

  std::int64_t size(std::int64_t piece) const { return std::min(of_piece, rows - piece * of_piece); }

  // Calls `function` with each piece: its index, its first value, and its rows.
  template <class F> void each(F &&function) const {
    at::parallel_for(0, pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; piece++) {
        function(piece, piece * of_piece * channels, size(piece));
      }
    });
  }
};

struct Norm : Function<Norm> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &weight, const Tensor &bias,
                        const Tensor &running_mean, const Tensor &running_var, double momentum, double epsilon,
                        bool activated) {
    Tensor x = side_by_side(input), y = like(x);
    Rows all(x);
    const auto channels = all.channels;
    TORCH_CHECK(all.rows > 1, "batch norm needs more than one value of each channel");
    // The mean, and one over the standard deviation.
    Tensor mean = numbers(x, {channels}), inverse = numbers(x, {channels});
    Tensor scale = numbers(x, {channels}), shift = numbers(x, {channels});
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      using N = Number<T>;
      std::vector<N> means(all.pieces * channels), squares(all.pieces * channels);
      all.each([&](std::int64_t piece, std::int64_t place, std::int64_t rows) {
        kernels::moments<T>(values<T>(x) + place, rows, channels, &means[piece * channels], &squares[piece * channels]);
      });
      const N *weights = values<N>(weight), *biases = values<N>(bias);
      N *followed_mean = values_of<N>(running_mean), *followed_var = values_of<N>(running_var);
      const double count = static_cast<double>(all.rows);
      for (std::int64_t c = 0; c < channels; c++) {
        // Pieces are combined one by one (Chan, Golub and LeVeque, 1979).
        double average = 0, square = 0, seen = 0;
        for (std::int64_t piece = 0; piece < all.pieces; piece++) {
          const double more = static_cast<double>(all.size(piece)), now = seen + more;
          const double distance = means[piece * channels + c] - average;
          average += distance * more / now;
          square += squares[piece * channels + c] + distance * distance * seen * more / now;
          seen = now;
        }
        const double root = 1 / std::sqrt(square / count + epsilon);
        values_of<N>(mean)[c] = static_cast<N>(average);
        values_of<N>(inverse)[c] = static_cast<N>(root);
        values_of<N>(scale)[c] = static_cast<N>(weights[c] * root);
        values_of<N>(shift)[c] = static_cast<N>(biases[c] - average * weights[c] * root);
        followed_mean[c] = static_cast<N>(momentum * average + (1 - momentum) * followed_mean[c]);
        followed_var[c] = static_cast<N>(momentum * square / (count - 1) + (1 - momentum) * followed_var[c]);
      }
      all.each([&](std::int64_t, std::int64_t place, std::int64_t rows) {
        kernels::normalise<T>(values<T>(x) + place, values_of<T>(y) + place, rows, channels, values<N>(scale),
                              values<N>(shift), activated);
      });
    });
    context->save_for_backward({x, mean, inverse, scale, shift});
    context->saved_data["activated"] = activated;
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &mean = saved[1], &inverse = saved[2], &scale = saved[3], &shift = saved[4];
    const bool activated = context->saved_data["activated"].toBool();
    Tensor dy = side_by_side(gradients[0].to(x.scalar_type())), dx = like(x);
    Rows all(x);
    const auto channels = all.channels;
    Tensor dweight = numbers(x, {channels}), dbias = numbers(x, {channels});
    Tensor slope = numbers(x, {channels}), offset = numbers(x, {channels});
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      using N = Number<T>;
      std::vector<N> sums(all.pieces * channels), products(all.pieces * channels);
      all.each([&](std::int64_t piece, std::int64_t place, std::int64_t rows) {
        kernels::normalise_sums<T>(values<T>(x) + place, values<T>(dy) + place, rows, channels, values<N>(scale),
                                   values<N>(shift), activated, &sums[piece * channels], &products[piece * channels]);
      });
      for (std::int64_t c = 0; c < channels; c++) {
        double sum = 0, product = 0;
        for (std::int64_t piece = 0; piece < all.pieces; piece++) {
          sum += sums[piece * channels + c];
          product += products[piece * channels + c];
        }
        const double average = values<N>(mean)[c], root = values<N>(inverse)[c], factor = values<N>(scale)[c];
        const double normalised = (product - average * sum) * root;
        values_of<N>(dweight)[c] = static_cast<N>(normalised);
        values_of<N>(dbias)[c] = static_cast<N>(sum);
        // dx = factor * (gradient - mean of gradients - normalised x * mean of gradients times normalised x).
        const double along = -factor * root * normalised / static_cast<double>(all.rows);
        values_of<N>(slope)[c] = static_cast<N>(along);
        values_of<N>(offset)[c] = static_cast<N>(-factor * sum / static_cast<double>(all.rows) - along * average);
      }
      all.each([&](std::int64_t, std::int64_t place, std::int64_t rows) {
        kernels::normalise_back<T>(values<T>(x) + place, values<T>(dy) + place, values_of<T>(dx) + place, rows,
                                   channels, values<N>(scale), values<N>(shift), activated, values<N>(slope),
                                   values<N>(offset));
      });
    });
    return {dx, dweight, dbias, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

struct DepthwiseConvolution : Function<DepthwiseConvolution> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &weight, std::int64_t stride) {
    const auto kernel = weight.size(2);
    const std::vector<std::int64_t> strides(2, stride), padding(2, (kernel - 1) / 2), dilation(2, 1);
    TORCH_CHECK(input.size(1) % 16 == 0 && (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2),
                "a depthwise convolution of another shape");
    Tensor y = at::conv2d(input, weight, {}, strides, padding, dilation, input.size(1));
    // Under autocast, the result is in bfloat16 whatever the input's type.
    Tensor x = side_by_side(input.to(y.scalar_type()));
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["type"] = input.scalar_type();
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    Tensor dy = side_by_side(gradients[0].to(x.scalar_type()));
    kernels::Depthwise shape;
    shape.channels = x.size(1), shape.height = x.size(2), shape.width = x.size(3);
    shape.out_height = dy.size(2), shape.out_width = dy.size(3);
    shape.kernel = static_cast<int>(weight.size(2)), shape.stride = static_cast<int>(context->saved_data["stride"].toInt());
    const auto patches = x.size(0), taps = weight.size(2) * weight.size(3);
    const bool wanted = context->needs_input_grad(0);
    Tensor dx = wanted ? like(x) : Tensor();
    // Taps first, then channels. Gradients are kept for each patch, so that their sum does not depend on the threads.
    Tensor weights = weight.reshape({shape.channels, taps}).t().contiguous();
    Tensor each = numbers(x, {patches, taps, shape.channels});
    weights = weights.to(each.scalar_type());
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      using N = Number<T>;
      const auto vectors = shape.channels / lanes::WIDTH<T>;
      const auto in = shape.channels * shape.height * shape.width;
      const auto out = shape.channels * shape.out_height * shape.out_width;
      at::parallel_for(0, patches * vectors, 1, [&](std::int64_t begin, std::int64_t end) {
        // Aligned like every tensor.
        Tensor room = numbers(x, {kernels::depthwise_room<T>(shape) * lanes::WIDTH<T>});
        for (std::int64_t at = begin; at < end; at++) {
          const auto patch = at / vectors, channel = at % vectors * lanes::WIDTH<T>;
          kernels::depthwise_back<T>(shape, channel, values<T>(x) + patch * in, values<T>(dy) + patch * out,
                                     values<N>(weights), values_of<N>(each) + patch * taps * shape.channels,
                                     wanted ? values_of<T>(dx) + patch * in : nullptr,
                                     static_cast<lanes::Vector<T> *>(room.mutable_data_ptr()));
        }
      });
    });
    Tensor dweight = each.sum(0).t().contiguous().view(weight.sizes()).to(weight.scalar_type());
    return {wanted ? dx.to(context->saved_data["type"].toScalarType()) : dx, dweight, Tensor()};
  }
};

struct Gate : Function<Gate> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &weight1, const Tensor &bias1,
                        const Tensor &weight2, const Tensor &bias2) {
    // The two small layers are computed in full precision.
    c10::impl::ExcludeDispatchKeyGuard full(c10::DispatchKeySet(c10::DispatchKey::AutocastCPU));
    Tensor x = side_by_side(input), y = like(x);
    const auto patches = x.size(0), channels = x.size(1), positions = x.size(2) * x.size(3);
    Tensor mean = numbers(x, {patches, channels});
    each_patch(x, [&](auto zero, std::int64_t patch) {
      using T = decltype(zero);
      kernels::sum_rows<T>(values<T>(x) + patch * positions * channels, nullptr, positions, channels,
                           values_of<Number<T>>(mean) + patch * channels);
    });
    mean.div_(static_cast<double>(positions));
    Tensor squeezed = at::linear(mean, weight1.flatten(1), bias1);
    Tensor active = at::silu(squeezed);
    Tensor factors = at::linear(active, weight2.flatten(1), bias2).sigmoid_();
    each_patch(x, [&](auto zero, std::int64_t patch) {
      using T = decltype(zero);
      const auto place = patch * positions * channels;
      kernels::scale_rows<T>(values<T>(x) + place, values_of<T>(y) + place, positions, channels,
                             values<Number<T>>(factors) + patch * channels, nullptr);
    });
    context->save_for_backward({x, mean, squeezed, active, factors, weight1, weight2});
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    c10::impl::ExcludeDispatchKeyGuard full(c10::DispatchKeySet(c10::DispatchKey::AutocastCPU));
    auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &mean = saved[1], &squeezed = saved[2], &active = saved[3], &factors = saved[4];
    const Tensor &weight1 = saved[5], &weight2 = saved[6];
    Tensor dy = side_by_side(gradients[0].to(x.scalar_type())), dx = like(x);
    const auto patches = x.size(0), channels = x.size(1), positions = x.size(2) * x.size(3);
    Tensor dfactors = numbers(x, {patches, channels});
    each_patch(x, [&](auto zero, std::int64_t patch) {
      using T = decltype(zero);
      const auto place = patch * positions * channels;
      kernels::sum_rows<T>(values<T>(x) + place, values<T>(dy) + place, positions, channels,
                           values_of<Number<T>>(dfactors) + patch * channels);
    });
    Tensor dlast = at::sigmoid_backward(dfactors, factors);
    Tensor dsqueezed = at::silu_backward(dlast.mm(weight2.flatten(1)), squeezed);
    Tensor dmean = dsqueezed.mm(weight1.flatten(1)).div_(static_cast<double>(positions));
    each_patch(x, [&](auto zero, std::int64_t patch) {
      using T = decltype(zero);
      const auto place = patch * positions * channels;
      kernels::scale_rows<T>(values<T>(dy) + place, values_of<T>(dx) + place, positions, channels,
                             values<Number<T>>(factors) + patch * channels,
                             values<Number<T>>(dmean) + patch * channels);
    });
    return {dx, dsqueezed.t().mm(mean).view(weight1.sizes()), dsqueezed.sum(0),
            dlast.t().mm(active).view(weight2.sizes()), dlast.sum(0)};
  }

  template <class F> static void each_patch(const Tensor &map, F &&function) {
    with_type(map, [&](auto zero) {
      at::parallel_for(0, map.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t patch = begin; patch < end; patch++) {
          function(zero, patch);
        }
      });
    });
  }
};

} // namespace

void norm(Tensor &out, const Tensor &x, const Tensor &weight, const Tensor &bias, const Tensor &running_mean,
          const Tensor &running_var, double momentum, double epsilon, bool activated) {
  out = Norm::apply(x, weight, bias, running_mean, running_var, momentum, epsilon, activated);
}

void depthwise(Tensor &out, const Tensor &x, const Tensor &weight, std::int64_t stride) {
  out = DepthwiseConvolution::apply(x, weight, stride);
}

void gate(Tensor &out, const Tensor &x, const Tensor &weight1, const Tensor &bias1, const Tensor &weight2,
          const Tensor &bias2) {
  out = Gate::apply(x, weight1, bias1, weight2, bias2);
}

void adam(const Tensor &weights, const Tensor &gradients, const Tensor &mean, const Tensor &square, double step,
          double rate, double beta1, double beta2, double weight_decay, double epsilon) {
  // A tensor, like the other values.
  Tensor count = at::full({}, step, at::TensorOptions(at::kFloat).device(weights.device()));
  at::NoGradGuard nothing;
  at::_fused_adam_({weights}, {gradients}, {mean}, {square}, {}, {count}, rate, beta1, beta2, weight_decay, epsilon,
                   false, false);
}

} // namespace sleeve
