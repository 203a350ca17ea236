using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace JeDi.Cuda.Native;

/// <summary>
/// Which files stand behind the imports: the driver and cuBLASLt of a GPU, or the simulator, which has the exports of both. Nothing
/// else knows which. A process chooses once, before its first call.
/// </summary>
public static class Libraries
{
    /// <summary>Names that the imports carry.</summary>
    internal const string Driver = "cuda";
    internal const string Nvrtc = "nvrtc";
    internal const string CuBlasLt = "cublasLt";

    /// <summary>Environment variable: folders, separated by ':', that are searched first.</summary>
    public const string FoldersVariable = "JEDI_LIBRARIES";

    /// <summary>Environment variable: the simulator's file.</summary>
    public const string SimulatorVariable = "JEDI_SIMULATOR";

    const string SimulatorFile = "libjedisim.so";
    static readonly Lock gate = new();
    static readonly Dictionary<string, nint> loaded = [];
    static bool? simulated;

    static Libraries() => NativeLibrary.SetDllImportResolver(typeof(Libraries).Assembly, Resolve);

    /// <summary>Whether this process runs on the simulator.</summary>
    public static bool Simulated => simulated ?? false;

    /// <summary>Takes the GPU's libraries or the simulator, for the life of the process.</summary>
    /// <exception cref="CudaException">The other one was chosen before.</exception>
    public static void Choose(bool simulator)
    {
        lock (gate)
        {
            if (simulated is bool earlier && earlier != simulator)
            {
                throw new CudaException("a process computes on GPUs or on the simulator, not on both; start another one");
            }

            simulated = simulator;
        }
    }

    /// <summary>The driver, or what stands for it, is there.</summary>
    public static bool HasDriver => Load(Driver) != 0;

    internal static bool HasNvrtc => Load(Nvrtc) != 0;

    internal static bool HasCuBlasLt => Load(CuBlasLt) != 0;

    static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => Load(name);

    static nint Load(string name)
    {
        lock (gate)
        {
            // The compiler is the same for both: asking for it chooses nothing.
            if (name != Nvrtc)
            {
                simulated ??= false;
            }

            if (!loaded.TryGetValue(name, out nint handle))
            {
                loaded[name] = handle = Find(name);
            }

            return handle;
        }
    }

    static nint Find(string name)
    {
        foreach (string file in Files(name))
        {
            foreach (string folder in Folders(file))
            {
                string path = Path.Combine(folder, file);
                if (folder.Length > 0 && !File.Exists(path))
                {
                    continue;
                }

                LoadBuiltins(name, folder);
                if (NativeLibrary.TryLoad(path, out nint handle))
                {
                    return handle;
                }
            }
        }

        return 0;
    }

    /// <summary>File names of a library, the version that is taken first in front.</summary>
    static string[] Files(string name) => name switch
    {
        Nvrtc => ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"],
        Driver when Simulated => [SimulatorFile],
        Driver => ["libcuda.so.1"],
        CuBlasLt when Simulated => [SimulatorFile],
        CuBlasLt => ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"],
        _ => [],
    };

    /// <summary>Folders that are searched, in order; "" is the system's own search.</summary>
    static IEnumerable<string> Folders(string file)
    {
        if (file == SimulatorFile && Environment.GetEnvironmentVariable(SimulatorVariable) is { Length: > 0 } simulator)
        {
            yield return Path.GetDirectoryName(Path.GetFullPath(simulator))!;
        }

        foreach (string folder in (Environment.GetEnvironmentVariable(FoldersVariable) ?? "").Split(':',
            StringSplitOptions.RemoveEmptyEntries))
        {
            yield return Path.GetFullPath(folder);
        }

        yield return AppContext.BaseDirectory;
        yield return "";
        foreach (string pattern in (string[])["/usr/local/cuda/lib64", "/usr/local/cuda-*/lib64", "/usr/local/lib", "/opt/cuda/lib64"])
        {
            foreach (string folder in Matching(pattern))
            {
                yield return folder;
            }
        }

        // Where pip puts NVIDIA's packages: PyTorch brings its own.
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string own = Path.Combine(home, ".local/lib");
        foreach (string start in (string[])["/usr/local/lib", "/usr/lib", "/opt/conda/lib", "/opt/venv/lib", own])
        {
            foreach (string kind in (string[])["dist-packages", "site-packages"])
            {
                foreach (string folder in Matching($"{start}/python3*/{kind}/nvidia/*/lib"))
                {
                    yield return folder;
                }
            }
        }
    }

    /// <summary>Folders whose path fits a pattern with a * in some of its parts, newest name first.</summary>
    static IEnumerable<string> Matching(string pattern)
    {
        IEnumerable<string> found = ["/"];
        foreach (string part in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            found = part.Contains('*')
                ? found.SelectMany(folder => Children(folder, part))
                : found.Select(folder => Path.Combine(folder, part)).Where(Directory.Exists);
        }

        return found;
    }

    static IEnumerable<string> Children(string folder, string pattern)
    {
        try
        {
            return Directory.GetDirectories(folder, pattern).OrderDescending(StringComparer.Ordinal);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>NVRTC opens its second library by name alone: loaded before, it is found wherever it lies.</summary>
    static void LoadBuiltins(string name, string folder)
    {
        if (name != Nvrtc || folder.Length == 0)
        {
            return;
        }

        foreach (string file in Directory.GetFiles(folder, "libnvrtc-builtins.so*"))
        {
            NativeLibrary.TryLoad(file, out _);
        }
    }
}
