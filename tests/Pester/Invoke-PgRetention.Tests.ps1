BeforeAll {
    . $PSScriptRoot/Common.ps1
    . $PSScriptRoot/Chain.ps1
}

Describe 'Invoke-PgRetention' {
    BeforeEach {
        $archive = New-FolderArchive
        $full, $delta, $later = Add-Chain $archive
    }

    It 'deletes what the plan says, and then there is nothing more to delete' {
        $policy = New-PgRetentionPolicy -KeepLast 1
        $planned = @(Get-PgRetentionPlan $policy -EveryObject -Setting $archive).Where({ $_.State -eq 'Planned' }).Key | Sort-Object
        $gone = @($policy | Invoke-PgRetention -Setting $archive -Confirm:$false)
        $gone.Key | Sort-Object | Should -Be $planned
        $gone.State | Select-Object -Unique | Should -Be Deleted
        (Get-BackupList -Setting $archive).Name | Should -Be $later
        Invoke-PgRetention $policy -Setting $archive -Confirm:$false | Should -BeNullOrEmpty
    }

    It 'emits the plan with -WhatIf and changes nothing' {
        $before = Get-FileList $archive.WALG_FILE_PREFIX
        @(Invoke-PgRetention @{ KeepLast = 1 } -Setting $archive -WhatIf).State | Select-Object -Unique | Should -Be Planned
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be $before
    }

    It 'reports what cannot be deleted, and keeps such a backup whole' -Skip:(-not $IsLinux) {
        $kept = Join-Path $archive.WALG_FILE_PREFIX "basebackups_005/$full/metadata.json"
        & chattr +i $kept 2>$null
        if ($LASTEXITCODE -ne 0) { Set-ItResult -Skipped -Because 'this file system has no immutable files'; return }
        try {
            $result = @(Invoke-PgRetention @{ KeepLast = 1 } -Setting $archive -Confirm:$false -ErrorAction SilentlyContinue -ErrorVariable failed)
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'ObjectNotDeletable,*'
            $result.Where({ $_.State -eq 'NotDeleted' }).Key | Should -Be "basebackups_005/$full/metadata.json"
        }
        finally { & chattr -i $kept }
    }
}
