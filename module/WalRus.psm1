# Loads the cmdlets into a load context of their own (see docs/ARCHITECTURE.md) and exports them from this module. The
# manifest has loaded the loader.
$assembly = [WalRus.Loader.ModuleLoadContext]::LoadCmdlets([System.IO.Path]::Combine($PSScriptRoot, 'bin'))
$inner = Import-Module -Assembly $assembly -Force -PassThru

# A module that a script module imports by assembly is not exported with it (PowerShell issue 20710): hand its cmdlets on.
$addExportedCmdlet = [System.Management.Automation.PSModuleInfo].GetMethod(
    'AddExportedCmdlet', [System.Reflection.BindingFlags] 'Instance, NonPublic')
foreach ($cmdlet in $inner.ExportedCmdlets.Values) {
    $addExportedCmdlet.Invoke($ExecutionContext.SessionState.Module, @(, $cmdlet))
}
