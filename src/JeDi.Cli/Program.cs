using System.Runtime.InteropServices;
using System.Text;
using JeDi.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
Console.SetOut(new GuardedWriter(Console.Out, "standard output"));
Console.SetError(new GuardedWriter(Console.Error));
using var stop = new CancellationTokenSource();

// The first signal stops in good order; a second one ends the process as usual.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = !stop.IsCancellationRequested;
    if (signal.Cancel)
    {
        Console.Error.WriteLine("jedi-native: stopping; press again to end now");
        LastResort.After(TimeSpan.FromSeconds(1.5));
    }

    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
return CommandLine.Run(args, Console.Out, Console.Error, stop.Token);
