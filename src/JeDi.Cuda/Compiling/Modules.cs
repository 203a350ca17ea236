using System.Text;
using JeDi.Cuda.Native;

namespace JeDi.Cuda.Compiling;

/// <summary>
/// The functions of one device: found by variant, compiled for its architecture, loaded. The machine code is offered first; a driver that
/// has no use for it gets the PTX.
/// </summary>
sealed unsafe class Modules(CudaContext context)
{
    readonly Dictionary<Variant, Function> functions = [];
    readonly Dictionary<(string Source, string Options), nint> modules = [];
    readonly Lock gate = new();

    /// <summary>What code is made for.</summary>
    public string Architecture { get; } = Compiler.Architecture(context.Capability);

    /// <summary>Every variant that was asked for so far.</summary>
    public IReadOnlyList<Variant> InUse
    {
        get
        {
            lock (gate)
            {
                return [.. functions.Keys];
            }
        }
    }

    /// <summary>The function of a variant; nothing is compiled yet.</summary>
    public Function Find(Variant variant)
    {
        lock (gate)
        {
            if (!functions.TryGetValue(variant, out Function? function))
            {
                functions[variant] = function = new Function(variant);
            }

            return function;
        }
    }

    /// <summary>Compiles, on all processors, and loads what is not loaded yet.</summary>
    /// <exception cref="CudaException">NVRTC is missing, a source does not compile, or the driver refuses the code.</exception>
    public void Load(IEnumerable<Function> wanted)
    {
        lock (gate)
        {
            Function[] missing = [.. wanted.Distinct().Where(function => function.Handle == 0)];
            var made = new Dictionary<(string, string), CompiledKernel>();
            (string Source, string Options)[] sources = [.. missing.Select(Key).Distinct().Where(key => !modules.ContainsKey(key))];
            try
            {
                Parallel.ForEach(sources, key =>
                {
                    CompiledKernel kernel = Compiler.Get(key.Source, key.Options.Split(' '), Architecture);
                    lock (made)
                    {
                        made[key] = kernel;
                    }
                });
            }
            catch (AggregateException several) when (several.InnerExceptions[0] is CudaException first)
            {
                throw new CudaException(first.Message);
            }

            foreach (var key in sources)
            {
                modules[key] = Load(key.Source, made[key]);
            }

            foreach (Function function in missing)
            {
                function.Handle = Entry(modules[Key(function)], function.Variant.Kernel.Entry);
            }
        }
    }

    public void Unload()
    {
        lock (gate)
        {
            foreach (nint module in modules.Values)
            {
                Driver.cuModuleUnload(module);
            }

            modules.Clear();
            functions.Clear();
        }
    }

    static (string Source, string Options) Key(Function function) =>
        (function.Variant.Kernel.Source, string.Join(' ', function.Variant.Kernel.Options(function.Variant)));

    nint Load(string source, CompiledKernel kernel)
    {
        nint module = 0;
        CudaResult result = CudaResult.NoBinaryForGpu;
        if (kernel.Cubin.Length > 0)
        {
            fixed (byte* image = kernel.Cubin)
            {
                result = Driver.cuModuleLoadData(&module, image);
            }
        }

        if (result == CudaResult.NoBinaryForGpu)
        {
            fixed (byte* image = kernel.Ptx)
            {
                result = Driver.cuModuleLoadData(&module, image);
            }
        }

        result.Check($"cuModuleLoadData of {source} for {Architecture} (");
        return module;
    }

    static nint Entry(nint module, string name)
    {
        nint function;
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
        {
            Driver.cuModuleGetFunction(&function, module, text).Check($"cuModuleGetFunction {name} (");
        }

        return function;
    }
}
