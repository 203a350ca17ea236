using JeDi.Bench;
using JeDi.Bench.Training;

return args switch
{
    [.., "--help" or "-h"] => Usage(),
    ["peers", .. string[] options] => PeersCommand.Run(options),
    ["step", .. string[] options] => StepCommand.Run(options),
    ["memory", .. string[] options] => StepCommand.Memory(options),
    ["train-step", .. string[] options] => TrainStepCommand.Run(options),
    ["train", .. string[] options] => TrainCommand.Run(options),
    ["kernels", .. string[] options] => KernelsCommand.Run(options),
    ["roofline", .. string[] options] => RooflineCommand.Run(options),
    ["latency", .. string[] options] => LatencyCommand.Run(options),
    ["start", .. string[] options] => StartCommand.Run(options),
    ["load", .. string[] options] => LoadCommand.Run(options),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("usage: JeDi.Bench peers [--json FILE] [--op gemm|conv2d|attention|group_norm_silu|layer_norm|add]");
    Console.Error.WriteLine("                        [--shape 4096x320x320] [--peers oneDNN,OpenBLAS] [--threads 1,2] [--seconds S]");
    Console.Error.WriteLine("       JeDi.Bench step [--size 512] [--images 1] [--threads 2] [--memory MB]");
    Console.Error.WriteLine("       JeDi.Bench memory [--size 512]");
    Console.Error.WriteLine("       JeDi.Bench train [--json FILE] [--op gemm|conv2d|attention|group_norm_silu|layer_norm|geglu]");
    Console.Error.WriteLine("                        [--shape 1024x96x96] [--threads 2] [--seconds S] [--winograd off] [--of data|weight]");
    Console.Error.WriteLine("       JeDi.Bench train-step [--model FOLDER | --preset small] [--train unet,text] [--images 16]");
    Console.Error.WriteLine("                             [--threads 2] [--seconds S] [--top 30]");
    Console.Error.WriteLine("       JeDi.Bench start --model FILE [--program jedi-native] [--size 256] [--runs 5] [--options \"...\"]");
    Console.Error.WriteLine("       JeDi.Bench load --model FILE [--device cpu|cuda[:I]|sim] [--dtype f16]");
    Console.Error.WriteLine("                       [--threads 2] [--runs 5] [--cold]");
    Console.Error.WriteLine("       JeDi.Bench kernels [--architectures sm_80,sm_86,sm_89,sm_90a]");
    Console.Error.WriteLine("                          [--export FOLDER [--sizes \"256 512\"] [--model FOLDER]");
    Console.Error.WriteLine("                                           [--also CACHE [--since FILE]]]");
    Console.Error.WriteLine("       JeDi.Bench roofline [--size 512] [--gpu H100] [--images 2]");
    Console.Error.WriteLine("       JeDi.Bench latency [--program jedi-native] [--steps 20] [--runs 5]");
    return 2;
}
