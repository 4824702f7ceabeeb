#pragma once

#include <algorithm>
#include <cstdint>

#include "unsupported/Eigen/CXX11/Tensor"

namespace p2p {

// Softmax of `size` numbers, at least one. They are processed in packets from the first one on, so that the result does not depend on their
// address; Eigen's arrays start packets at aligned addresses, which changes the rounding.
inline void softmax(const float* from, int64_t size, float* to) {
  using namespace Eigen::internal;
  using Packet = packet_traits<float>::type;
  constexpr int64_t kSize = unpacket_traits<Packet>::size;
  const int64_t whole = size / kSize * kSize, rest = size - whole;
  float last[kSize];  // padded with the first number, which does not change the maximum
  std::fill_n(std::copy_n(from + whole, rest, last), kSize - rest, *from);

  Packet tops = ploadu<Packet>(last);
  for (int64_t i = 0; i < whole; i += kSize) tops = pmax(tops, ploadu<Packet>(from + i));
  const Packet top = pset1<Packet>(predux_max(tops));

  pstoreu(last, pexp(psub(ploadu<Packet>(last), top)));
  std::fill_n(last + rest, kSize - rest, 0.0f);
  Packet sums = ploadu<Packet>(last);
  for (int64_t i = 0; i < whole; i += kSize) {
    const Packet number = pexp(psub(ploadu<Packet>(from + i), top));
    pstoreu(to + i, number);
    sums = padd(sums, number);
  }
  const Packet share = pset1<Packet>(1 / predux(sums));
  for (int64_t i = 0; i < whole; i += kSize) pstoreu(to + i, pmul(ploadu<Packet>(to + i), share));
  pstoreu(last, pmul(ploadu<Packet>(last), share));
  std::copy_n(last, rest, to + whole);
}

}  // namespace p2p
