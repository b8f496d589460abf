// Making a TorchScript module with parameters and methods, which tch does not offer.
#pragma once

#include <cstdint>
#include <memory>

#include <rust/cxx.h>

namespace sleeve {

class Script {
public:
  Script();
  ~Script();
  void parameter(rust::Str name, rust::Slice<const std::int64_t> dims, rust::Slice<const std::uint16_t> bits);
  void define(rust::Str source);
  rust::Vec<std::uint8_t> save() const;

private:
  struct Inside;
  std::unique_ptr<Inside> inside;
};

std::unique_ptr<Script> new_script();

} // namespace sleeve
