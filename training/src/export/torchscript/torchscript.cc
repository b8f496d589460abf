#include "torchscript.h"

#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>

#include <ATen/Functions.h>
#include <torch/csrc/jit/api/module.h>

namespace sleeve {

using torch::jit::Module;

struct Script::Inside {
  std::shared_ptr<torch::jit::CompilationUnit> unit = std::make_shared<torch::jit::CompilationUnit>();
  Module root = made("EfficientNet");

  Module made(const std::string &type) {
    Module module(c10::QualifiedName("__torch__.sleeve." + type), unit);
    // Python expects it of every module.
    module.register_attribute("training", c10::BoolType::get(), false);
    return module;
  }

  // The module of a path such as "features.0", made where it is not there yet. Each has a class of its own, as each
  // has attributes of its own.
  Module at(const std::string &path) {
    if (path.empty()) {
      return root;
    }
    auto dot = path.rfind('.');
    Module parent = at(dot == std::string::npos ? "" : path.substr(0, dot));
    std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
    if (!parent.hasattr(name)) {
      std::string type = path;
      for (char &letter : type) {
        letter = letter == '.' ? '_' : letter;
      }
      parent.register_module(name, made(type));
    }
    return parent.attr(name).toModule();
  }
};

Script::Script() : inside(std::make_unique<Inside>()) {}

Script::~Script() = default;

void Script::parameter(rust::Str name, rust::Slice<const std::int64_t> dims, rust::Slice<const std::uint16_t> bits) {
  auto tensor = at::empty(at::IntArrayRef(dims.data(), dims.size()), at::kHalf);
  if (static_cast<std::size_t>(tensor.numel()) != bits.size()) {
    throw std::invalid_argument(std::string(name) + ": not as many values as its dimensions say");
  }
  std::memcpy(tensor.data_ptr(), bits.data(), bits.size() * sizeof(std::uint16_t));
  std::string path(name);
  auto dot = path.rfind('.');
  if (dot == std::string::npos) {
    inside->root.register_parameter(path, tensor, /*is_buffer=*/false);
  } else {
    inside->at(path.substr(0, dot)).register_parameter(path.substr(dot + 1), tensor, /*is_buffer=*/false);
  }
}

void Script::define(rust::Str source) { inside->root.define(std::string(source)); }

rust::Vec<std::uint8_t> Script::save() const {
  std::ostringstream stream;
  inside->root.save(stream);
  const std::string text = stream.str();
  rust::Vec<std::uint8_t> bytes;
  bytes.reserve(text.size());
  for (char byte : text) {
    bytes.push_back(static_cast<std::uint8_t>(byte));
  }
  return bytes;
}

std::unique_ptr<Script> new_script() { return std::make_unique<Script>(); }

} // namespace sleeve
