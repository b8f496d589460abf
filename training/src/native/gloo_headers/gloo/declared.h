// Names of Gloo that c10d's header mentions. libtorch holds Gloo itself, and PyTorch's packages come without its headers;
// nothing of it is called or looked into here, so that declarations are enough.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

struct Context {
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace rendezvous {
class Store {
public:
  virtual ~Store();
  virtual void set(const std::string &, const std::vector<char> &) = 0;
  virtual std::vector<char> get(const std::string &) = 0;
  virtual void wait(const std::vector<std::string> &) = 0;
  virtual void wait(const std::vector<std::string> &, const std::chrono::milliseconds &) = 0;
};
} // namespace rendezvous

namespace transport {
class Device;
class UnboundBuffer;
} // namespace transport

} // namespace gloo
