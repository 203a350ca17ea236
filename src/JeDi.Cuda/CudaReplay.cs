using JeDi.Cuda.Native;
using JeDi.Tensors;

namespace JeDi.Cuda;

/// <summary>
/// A step as a CUDA graph: the first run compiles its kernels together and then computes plainly, the second is captured, all later ones
/// are one launch. What a graph cannot hold (an allocation, waiting, a copy from or to the host) fails the capture.
/// </summary>
sealed unsafe class CudaReplay(CudaDevice device, CudaContext context, nint stream, Action step) : Replay
{
    bool warm;
    nint executable;

    /// <summary>Kernels, copies and fills of the recorded step; 0 before.</summary>
    public int Nodes { get; private set; }

    public override void Run()
    {
        context.Enter();
        if (!warm)
        {
            device.Rehearse(step);
            step();
            warm = true;
            return;
        }

        if (executable == 0)
        {
            Capture();
        }

        context.Check(Driver.cuGraphLaunch(executable, stream), "cuGraphLaunch (");
    }

    public override void Dispose()
    {
        if (executable != 0 && context.Ended is null)
        {
            context.Enter();
            Driver.cuGraphExecDestroy(executable);
        }

        executable = 0;
    }

    void Capture()
    {
        nint graph = 0;
        context.Check(Driver.cuStreamBeginCapture_v2(stream, CaptureMode.ThreadLocal), "cuStreamBeginCapture (");
        device.Capturing = true;
        bool whole = false;
        try
        {
            step();
            whole = true;
        }
        finally
        {
            device.Capturing = false;
            CudaResult ended = Driver.cuStreamEndCapture(stream, &graph);
            if (!whole && ended == CudaResult.Success)
            {
                Driver.cuGraphDestroy(graph);
            }
            else if (whole)
            {
                context.Check(ended, "cuStreamEndCapture (");
            }
        }

        try
        {
            nuint nodes = 0;
            nint made;
            context.Check(Driver.cuGraphGetNodes(graph, null, &nodes), "cuGraphGetNodes (");
            context.Check(Driver.cuGraphInstantiateWithFlags(&made, graph, 0), "cuGraphInstantiate (");
            (executable, Nodes) = (made, (int)nodes);
        }
        finally
        {
            Driver.cuGraphDestroy(graph);
        }
    }
}
