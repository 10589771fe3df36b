#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <map>
#include <tuple>

#include "base/error.h"
#include "compiler/import/pickle/torch_pickle.h"
#include "compiler/import/pickle/torch_storage.h"
#include "format/bytes.h"
#include "format/tensor_bytes.h"
#include "format/zip_writer.h"

namespace aitune {

namespace {

constexpr int kMaxDepth = 100;

// Emits only opcodes that torch.load knows with weights_only=True. They are those of protocol 2, and every later
// protocol has them too.
class PickleEmitter {
 public:
  explicit PickleEmitter(int protocol) {
    op('\x80');
    number(static_cast<std::uint8_t>(protocol));
  }

  void value(const TorchValue& v, int depth = 0) {
    if (depth > kMaxDepth) throw InvalidArgument("the object to save is nested too deep");
    switch (v.kind) {
      case TorchValue::Kind::none:
        return op('N');
      case TorchValue::Kind::boolean:
        return op(v.boolean ? '\x88' : '\x89');
      case TorchValue::Kind::integer:
        return integer(v.integer);
      case TorchValue::Kind::real:
        op('G');
        return number(__builtin_bswap64(std::bit_cast<std::uint64_t>(v.real)));
      case TorchValue::Kind::string:
        return string(v.string);
      case TorchValue::Kind::tensor:
        return tensor(v.tensor);
      case TorchValue::Kind::list:
        op(']');
        return sequence(v.items, 'e', depth);
      case TorchValue::Kind::tuple:
        return v.items.empty() ? op(')') : sequence(v.items, 't', depth);
      case TorchValue::Kind::dict:
        return dict(v, depth);
    }
    throw InternalError("no such kind of value");
  }

  std::string finish() {
    op('.');
    return std::move(text_);
  }
  const std::vector<Tensor>& storages() const { return storages_; }

 private:
  void op(char c) { text_ += c; }
  template <typename T>
  void number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    text_.append(bytes, sizeof(T));
  }
  void integer(std::int64_t value) {
    if (value >= 0 && value < 256) {
      op('K');
      number(static_cast<std::uint8_t>(value));
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      op('J');
      number(static_cast<std::int32_t>(value));
    } else {
      op('\x8a');
      number(std::uint8_t{8});
      number(value);
    }
  }
  void string(std::string_view s) {
    if (s.size() > UINT32_MAX) throw InvalidArgument("a string to save is too long");
    op('X');
    number(static_cast<std::uint32_t>(s.size()));
    text_ += s;
  }
  // "torch.FloatStorage", remembered so that it is written once.
  void global(std::string_view name) {
    if (const auto found = memo_.find(name); found != memo_.end()) {
      op('j');
      return number(found->second);
    }
    const std::size_t dot = name.rfind('.');
    text_ += fmt::format("c{}\n{}\n", name.substr(0, dot), name.substr(dot + 1));
    op('r');
    const auto slot = static_cast<std::uint32_t>(memo_.size());
    number(slot);
    memo_.emplace(name, slot);
  }
  void sequence(const std::vector<TorchValue>& items, char end, int depth) {
    op('(');
    for (const TorchValue& item : items) value(item, depth + 1);
    op(end);
  }
  void dict(const TorchValue& v, int depth) {
    op('}');
    op('(');
    for (std::size_t i = 0; i < v.items.size(); ++i) {
      string(v.keys.at(i));
      value(v.items[i], depth + 1);
    }
    op('u');
  }
  void sizes(const Shape& shape) {
    if (shape.empty()) return op(')');
    op('(');
    for (const std::int64_t size : shape) integer(size);
    op('t');
  }

  void tensor(const Tensor& given) {
    const Tensor flat = given.contiguous();
    global("torch._utils._rebuild_tensor_v2");
    op('(');
    storage(flat);
    integer(0);
    sizes(flat.shape());
    sizes(contiguous_strides(flat.shape()));
    op('\x89');
    global("collections.OrderedDict");
    op(')');
    op('R');
    op('t');
    op('R');
  }
  void storage(const Tensor& flat) {
    const auto [found, fresh] =
        keys_.try_emplace(std::tuple(flat.data(), flat.byte_size(), flat.dtype()), storages_.size());
    if (fresh) storages_.push_back(flat);
    op('(');
    string("storage");
    global(storage_name(flat.dtype()));
    string(std::to_string(found->second));
    string("cpu");
    integer(flat.numel());
    op('t');
    op('Q');
  }

  std::string text_;
  std::map<std::string, std::uint32_t, std::less<>> memo_;
  std::map<std::tuple<const std::byte*, std::size_t, DType>, std::size_t> keys_;
  std::vector<Tensor> storages_;
};

TorchValue make(TorchValue::Kind kind) {
  TorchValue value;
  value.kind = kind;
  return value;
}

}  // namespace

TorchValue TorchValue::of(Tensor tensor) {
  TorchValue value = make(Kind::tensor);
  value.tensor = std::move(tensor);
  return value;
}
TorchValue TorchValue::of(double real) {
  TorchValue value = make(Kind::real);
  value.real = real;
  return value;
}
TorchValue TorchValue::of(std::string string) {
  TorchValue value = make(Kind::string);
  value.string = std::move(string);
  return value;
}
TorchValue TorchValue::list(std::vector<TorchValue> items) {
  TorchValue value = make(Kind::list);
  value.items = std::move(items);
  return value;
}
TorchValue TorchValue::tuple(std::vector<TorchValue> items) {
  TorchValue value = make(Kind::tuple);
  value.items = std::move(items);
  return value;
}
TorchValue TorchValue::dict(std::vector<std::pair<std::string, TorchValue>> entries) {
  TorchValue value = make(Kind::dict);
  for (auto& [key, item] : entries) {
    value.keys.push_back(std::move(key));
    value.items.push_back(std::move(item));
  }
  return value;
}

void write_torch_file(ByteSink& sink, const TorchValue& value, int protocol, std::string_view top) {
  if (protocol < 2 || protocol > 5) {
    throw InvalidArgument(fmt::format("pickle_protocol is {}", protocol), {}, "use 2, 3, 4 or 5");
  }
  PickleEmitter emitter(protocol);
  emitter.value(value);
  ZipWriter zip(sink, top);
  zip.add("data.pkl", emitter.finish());
  zip.add(".format_version", "1");
  zip.add(".storage_alignment", "64");
  zip.add("byteorder", "little");
  for (std::size_t i = 0; i < emitter.storages().size(); ++i) {
    zip.add(fmt::format("data/{}", i), contiguous_bytes(emitter.storages()[i]));
  }
  zip.add("version", "3\n");
  zip.finish();
}

TorchValue named_tensors_value(std::span<const std::pair<std::string, Tensor>> tensors) {
  TorchValue value = make(TorchValue::Kind::dict);
  for (const auto& [name, tensor] : tensors) {
    value.keys.push_back(name);
    value.items.push_back(TorchValue::of(tensor));
  }
  return value;
}

TorchValue sample_inputs_value(std::span<const Tensor> args, std::span<const std::pair<std::string, Tensor>> kwargs) {
  TorchValue positional = make(TorchValue::Kind::tuple);
  for (const Tensor& tensor : args) positional.items.push_back(TorchValue::of(tensor));
  return TorchValue::tuple({std::move(positional), named_tensors_value(kwargs)});
}

}  // namespace aitune
