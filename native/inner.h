#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensorflow/core/framework/node_def_builder.h"
#include "tensorflow/core/framework/node_def_util.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace p2p {

// One of TensorFlow's own kernels, run by one of ours: fused ones cannot be called from outside, as tfjs-node passes no lists of strings.
class Inner {
 public:
  // Tries the nodes in turn: not every processor has all of TensorFlow's kernels.
  Inner(tensorflow::OpKernelConstruction* construction, int inputs, std::vector<tensorflow::NodeDef> nodes) {
    absl::Status status;
    for (tensorflow::NodeDef& node : nodes) {
      const tensorflow::OpDef* op;
      status = tensorflow::OpRegistry::Global()->LookUpOpDef(node.op(), &op);
      if (!status.ok()) continue;
      node.set_name(node.op());
      for (int i = 0; i < inputs; ++i) node.add_input("input");
      tensorflow::AddDefaultsToNodeDef(*op, &node);
      kernel_ = tensorflow::CreateOpKernel(construction->device_type(), construction->device(), construction->device()->GetAllocator({}), node,
                                           construction->graph_def_version(), &status);
      if (status.ok()) return;
    }
    construction->CtxFailure(status);
  }

  // Sets y to its first output. Returns what went wrong.
  absl::Status Compute(tensorflow::OpKernelContext* context, std::vector<tensorflow::Tensor> inputs, tensorflow::Tensor& y) {
    std::vector<tensorflow::TensorValue> values;
    for (tensorflow::Tensor& input : inputs) values.emplace_back(&input);
    const tensorflow::AllocatorAttributes attributes;
    tensorflow::OpKernelContext::Params params;
    params.step_id = context->step_id();
    params.op_kernel = kernel_.get();
    params.device = context->device();
    params.output_attr_array = &attributes;
    params.resource_manager = context->resource_manager();
    params.inputs = values;
    params.op_device_context = context->op_device_context();
    params.runner = context->runner();
    params.run_all_kernels_inline = true;
    tensorflow::OpKernelContext inner(&params, 1);
    kernel_->Compute(&inner);
    if (!inner.status().ok()) return inner.status();
    const std::unique_ptr<tensorflow::Tensor> made(inner.release_output(0).tensor);
    y = *made;
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<tensorflow::OpKernel> kernel_;
};

template <typename T>
void set(tensorflow::NodeDef& node, const char* name, T value) {
  tensorflow::SetAttrValue(value, &(*node.mutable_attr())[name]);
}

// A node of float32. oneDNN's kernels have a label.
inline tensorflow::NodeDef node(const char* op, bool labelled) {
  tensorflow::NodeDef node;
  node.set_op(op);
  set(node, "T", tensorflow::DT_FLOAT);
  if (labelled) set(node, "_kernel", "MklNameChangeOp");
  return node;
}

}  // namespace p2p
